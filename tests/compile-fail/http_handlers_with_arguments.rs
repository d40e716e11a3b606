use flaron_sdk::FlareAction;

flaron_sdk::handle_request!(
    page, //~ E0308 incorrect number of function parameters
);

fn page(_path: &str) -> FlareAction {
    FlareAction::Respond
}
