flaron_sdk::flare! {
    request: page, //~ E0277 an HTTP handler returns `FlareAction`, or a `Result` of one, not `()`
    open: nothing,
    message: nothing,
    close: nothing,
}

fn page() {}

fn nothing() {}
