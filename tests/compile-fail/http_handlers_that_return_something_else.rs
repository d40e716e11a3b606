flaron_sdk::handle_request!(
    page, //~ E0277 this handler returns `String`
);

fn page() -> String {
    String::new()
}
