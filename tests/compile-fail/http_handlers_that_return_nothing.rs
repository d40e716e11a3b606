flaron_sdk::flare! {
    request: page, //~ E0277 this handler returns `()`
    open: nothing,
    message: nothing,
    close: nothing,
}

fn page() {}

fn nothing() {}
