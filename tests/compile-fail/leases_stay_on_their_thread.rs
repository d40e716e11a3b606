use flaron_sdk::{beam, crypto, json, plasma, request, secrets, spark, text};

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

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}

pub fn all_others() {
    is_send::<flaron_sdk::ArenaBytesIter>(); //~ E0277 cannot be sent between threads safely
    is_sync::<flaron_sdk::ArenaBytesIter>(); //~ E0277 cannot be shared between threads safely
    is_send::<flaron_sdk::Key>(); //~ E0277 cannot be sent between threads safely
    is_sync::<flaron_sdk::Key>(); //~ E0277 cannot be shared between threads safely
    is_send::<beam::FetchHeaders<'static>>(); //~ E0277 cannot be sent between threads safely
    is_sync::<beam::FetchHeaders<'static>>(); //~ E0277 cannot be shared between threads safely
    is_send::<beam::FetchOptions<'static>>(); //~ E0277 cannot be sent between threads safely
    is_sync::<beam::FetchOptions<'static>>(); //~ E0277 cannot be shared between threads safely
    is_send::<beam::FetchText<'static>>(); //~ E0277 cannot be sent between threads safely
    is_sync::<beam::FetchText<'static>>(); //~ E0277 cannot be shared between threads safely
    is_send::<beam::ResponseAnswer>(); //~ E0277 cannot be sent between threads safely
    is_sync::<beam::ResponseAnswer>(); //~ E0277 cannot be shared between threads safely
    is_send::<beam::ResponseBody>(); //~ E0277 cannot be sent between threads safely
    is_sync::<beam::ResponseBody>(); //~ E0277 cannot be shared between threads safely
    is_send::<beam::ResponseHeaders>(); //~ E0277 cannot be sent between threads safely
    is_sync::<beam::ResponseHeaders>(); //~ E0277 cannot be shared between threads safely
    is_send::<crypto::Claims>(); //~ E0277 cannot be sent between threads safely
    is_sync::<crypto::Claims>(); //~ E0277 cannot be shared between threads safely
    is_send::<request::Query>(); //~ E0277 cannot be sent between threads safely
    is_sync::<request::Query>(); //~ E0277 cannot be shared between threads safely
    is_send::<request::Target>(); //~ E0277 cannot be sent between threads safely
    is_sync::<request::Target>(); //~ E0277 cannot be shared between threads safely
    is_send::<spark::SparkEntry>(); //~ E0277 cannot be sent between threads safely
    is_sync::<spark::SparkEntry>(); //~ E0277 cannot be shared between threads safely
    is_send::<text::Text>(); //~ E0277 cannot be sent between threads safely
    is_sync::<text::Text>(); //~ E0277 cannot be shared between threads safely
}

static KEPT: std::sync::Mutex<Option<flaron_sdk::ArenaStr>> = std::sync::Mutex::new(None); //~ E0277 cannot be sent between threads safely
