use flaron_sdk::FlareAction;

flaron_sdk::handle_request!(page);
flaron_sdk::ws_handlers!(nothing, nothing, nothing); //~ E0428 one_crate_has_one_of__handle_request__ws_handlers__or_flare_for_both

fn page() -> FlareAction {
    FlareAction::Respond
}

fn nothing() {}
