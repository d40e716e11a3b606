use flaron_sdk::{beam, json, plasma, request, secrets, spark, text};

fn send<T: Send>(_: T) {}
fn sync<T: Sync>(_: T) {}

pub fn leases() {
    send(request::method()); //~ E0277 cannot be sent between threads safely
    sync(request::method()); //~ E0277 cannot be shared between threads safely
    send(request::body()); //~ E0277 cannot be sent between threads safely
    sync(request::body()); //~ E0277 cannot be shared between threads safely
    send(spark::get("k").unwrap()); //~ E0277 cannot be sent between threads safely
    sync(spark::get("k").unwrap()); //~ E0277 cannot be shared between threads safely
    send(spark::list()); //~ E0277 cannot be sent between threads safely
    sync(spark::list()); //~ E0277 cannot be shared between threads safely
    send(plasma::list().next().unwrap()); //~ E0277 cannot be sent between threads safely
    sync(plasma::list().next().unwrap()); //~ E0277 cannot be shared between threads safely
    send(secrets::get("n").unwrap()); //~ E0277 cannot be sent between threads safely
    sync(secrets::get("n").unwrap()); //~ E0277 cannot be shared between threads safely
    send(secrets::get_bytes("n").unwrap()); //~ E0277 cannot be sent between threads safely
    sync(secrets::get_bytes("n").unwrap()); //~ E0277 cannot be shared between threads safely
    send(beam::fetch("u", None).unwrap()); //~ E0277 cannot be sent between threads safely
    sync(beam::fetch("u", None).unwrap()); //~ E0277 cannot be shared between threads safely
    send(json::Document::parse(request::body())); //~ E0277 cannot be sent between threads safely
    sync(json::Document::parse(request::body())); //~ E0277 cannot be shared between threads safely
    send(text::build("a").unwrap()); //~ E0277 cannot be sent between threads safely
    sync(text::build("a").unwrap()); //~ E0277 cannot be shared between threads safely
}

static KEPT: std::sync::Mutex<Option<flaron_sdk::ArenaStr>> = std::sync::Mutex::new(None); //~ E0277 cannot be sent between threads safely
