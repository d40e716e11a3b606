flaron_sdk::handle_request!(page); //~ E0277 an HTTP handler returns `FlareAction`, or a `Result` of one, not `String`

fn page() -> String {
    String::new()
}
