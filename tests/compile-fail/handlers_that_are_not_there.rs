flaron_sdk::flare! {
    request: page, //~ E0425 cannot find value `page` in this scope
    open: nothing,
    message: nothing,
    close: farewell, //~ E0425 cannot find value `farewell` in this scope
}

fn nothing() {}
