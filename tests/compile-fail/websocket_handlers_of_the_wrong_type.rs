flaron_sdk::ws_handlers!(
    open,    //~ E0308 expected fn pointer, found fn item
    message, //~ E0308 incorrect number of function parameters
    close,
);

fn open() -> bool {
    true
}

fn message(_data: &[u8]) {}

fn close() {}
