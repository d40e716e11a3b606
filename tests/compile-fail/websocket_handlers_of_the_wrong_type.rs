flaron_sdk::ws_handlers!(
    open,    //~ E0308 open
    message, //~ E0308 message
    close,
);

fn open() -> bool {
    true
}

fn message(_data: &[u8]) {}

fn close() {}
