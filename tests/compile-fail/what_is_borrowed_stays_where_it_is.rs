//! Nothing is swapped, taken, replaced or forgotten out from under what is borrowed of it.
#![forbid(unsafe_code)]

use flaron_sdk::beam::{self, FetchOptions, FetchText};
use flaron_sdk::{json, request, secrets, spark, text};
use std::mem;

pub fn swapped() -> usize {
    let (mut a, mut b) = (request::url(), request::method());
    let url: &str = &a;
    mem::swap(&mut a, &mut b); //~ E0502 cannot borrow `a` as mutable because it is also borrowed as immutable
    url.len() + b.len()
}

pub fn taken() -> usize {
    let mut lease = request::body();
    let body: &[u8] = &lease;
    drop(mem::take(&mut lease)); //~ E0502 cannot borrow `lease` as mutable because it is also borrowed as immutable
    body.len()
}

pub fn replaced() -> usize {
    let mut secret = secrets::get("a").unwrap();
    let text: &str = &secret;
    secret = secrets::get("b").unwrap(); //~ E0506 cannot assign to `secret` because it is borrowed
    text.len() + secret.len()
}

pub fn forgotten() -> usize {
    let keys = spark::list();
    let key = keys.clone().next().unwrap();
    let first: &str = &key;
    mem::forget(key); //~ E0505 cannot move out of `key` because it is borrowed
    first.len()
}

pub fn grown() -> usize {
    let mut lease = request::url();
    let url: &str = &lease;
    lease.push_str("/"); //~ E0502 cannot borrow `lease` as mutable because it is also borrowed as immutable
    url.len()
}

pub fn a_field() -> usize {
    let mut entry = spark::get("k").unwrap();
    let value: &[u8] = &entry.value;
    entry.value = request::body(); //~ E0506 cannot assign to `entry.value` because it is borrowed
    value.len()
}

pub fn headers() -> usize {
    let mut response = beam::fetch("u", None).unwrap();
    let headers = response.headers.iter();
    response.headers = beam::fetch("v", None).unwrap().headers; //~ E0506 cannot assign to `response.headers` because it is borrowed
    headers.count()
}

pub fn pairs() -> usize {
    let query = request::query();
    let pairs = query.pairs();
    drop(query); //~ E0505 cannot move out of `query` because it is borrowed
    pairs.count()
}

pub fn elements() -> usize {
    let mut document = json::Document::parse(request::body()).unwrap();
    let elements = document.root().elements();
    document = json::Document::parse(request::body()).unwrap(); //~ E0506 cannot assign to `document` because it is borrowed
    drop(document);
    elements.count()
}

pub fn a_text_that_changes() -> u8 {
    let mut built = text::build("ab").unwrap();
    let first = &built[0];
    built[0] = b'x'; //~ E0502 cannot borrow `built` as mutable because it is also borrowed as immutable
    *first
}

pub fn a_text_that_options_keep() -> usize {
    let kept: &str = {
        let text = FetchText::from(request::method());
        &text //~ E0597 does not live long enough
    };
    kept.len()
}

pub fn options_of_a_lease() -> FetchOptions<'static> {
    let method = request::method();
    FetchOptions::new().with_method(&method) //~ E0515 cannot return value referencing local variable
}

pub fn in_scoped_threads() -> usize {
    let lease = request::method();
    std::thread::scope(|scope| {
        scope.spawn(|| lease.len()).join().unwrap() //~ E0277 cannot be shared between threads safely
    })
}
