use flaron_sdk::FlareAction;

flaron_sdk::handle_request!(page); //~ E0308 page

fn page(_path: &str) -> FlareAction {
    FlareAction::Respond
}
