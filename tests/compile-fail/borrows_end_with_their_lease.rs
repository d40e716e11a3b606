use flaron_sdk::{beam, crypto, json, request, secrets, spark, text, ws};

pub fn text_of_a_lease() -> usize {
    let method: &str = {
        let lease = request::method();
        lease.as_str() //~ E0597 does not live long enough
    };
    method.len()
}

pub fn bytes_of_a_lease() -> usize {
    let lease = request::body();
    let body: &[u8] = &lease;
    drop(lease); //~ E0505 cannot move out of `lease` because it is borrowed
    body.len()
}

pub fn bytes_of_text() -> usize {
    let lease = request::url();
    let url: &str = &lease;
    let bytes = lease.into_bytes(); //~ E0505 cannot move out of `lease` because it is borrowed
    url.len() + bytes.len()
}

pub fn a_temporary() -> usize {
    let method: &str = request::method().as_str(); //~ E0716 temporary value dropped while borrowed
    method.len()
}

pub fn out_of_a_function() -> &'static str {
    request::method().as_str() //~ E0515 cannot return value referencing temporary value
}

pub fn a_secret() -> usize {
    let lease = secrets::get("n").unwrap();
    let secret: &str = &lease;
    drop(lease); //~ E0505 cannot move out of `lease` because it is borrowed
    secret.len()
}

pub fn a_value() -> usize {
    let entry = spark::get("k").unwrap();
    let value: &[u8] = &entry.value;
    drop(entry); //~ E0505 cannot move out of `entry` because it is borrowed
    value.len()
}

pub fn a_key() -> usize {
    let mut keys = spark::list();
    let key = keys.next().unwrap();
    let first: &str = &key;
    drop(key); //~ E0505 cannot move out of `key` because it is borrowed
    first.len()
}

pub fn a_header() -> usize {
    let response = beam::fetch("u", None).unwrap();
    let header = response.header("a").unwrap();
    drop(response); //~ E0505 cannot move out of `response` because it is borrowed
    header.len()
}

pub fn headers() -> usize {
    let response = beam::fetch("u", None).unwrap();
    let headers = response.headers();
    drop(response); //~ E0505 cannot move out of `response` because it is borrowed
    headers.count()
}

pub fn json_value() -> usize {
    let document = json::Document::parse(request::body()).unwrap();
    let name = document.root().get("name").unwrap().as_str().unwrap();
    drop(document); //~ E0505 cannot move out of `document` because it is borrowed
    name.len()
}

pub fn json_in_a_buffer() -> usize {
    let mut buffer = *b"[1]";
    let value = json::parse(&mut buffer).unwrap();
    buffer[0] = 0; //~ E0506 cannot assign to `buffer[_]` because it is borrowed
    value.elements().count()
}

pub fn built_text() -> usize {
    let built = text::build(("a", 1_u32)).unwrap();
    let bytes: &[u8] = &built;
    drop(built); //~ E0505 cannot move out of `built` because it is borrowed
    bytes.len()
}

pub fn a_claim() -> usize {
    let claims = crypto::verify_jwt("k", request::credentials("bearer").unwrap()).unwrap();
    let subject = claims.text("sub").unwrap();
    drop(claims); //~ E0505 cannot move out of `claims` because it is borrowed
    subject.len()
}

pub fn a_path() -> usize {
    let target = request::target();
    let path = target.path();
    let bytes = target.into_bytes(); //~ E0505 cannot move out of `target` because it is borrowed
    path.len() + bytes.len()
}

pub fn a_parameter() -> usize {
    let query = request::query();
    let name = query.get("name").unwrap();
    drop(query); //~ E0505 cannot move out of `query` because it is borrowed
    name.len()
}

pub fn a_body() -> usize {
    let answer = beam::fetch("u", None).unwrap();
    let body: &str = &answer.body;
    drop(answer); //~ E0505 cannot move out of `answer` because it is borrowed
    body.len()
}

pub fn a_header_of_options() -> usize {
    let options = beam::FetchOptions::new().with_header("a", request::method());
    let headers = options.headers.iter();
    drop(options); //~ E0505 cannot move out of `options` because it is borrowed
    headers.count()
}

pub fn members() -> usize {
    let document = json::Document::parse(request::body()).unwrap();
    let members = document.root().members();
    drop(document); //~ E0505 cannot move out of `document` because it is borrowed
    members.count()
}

pub fn parts() -> usize {
    let lease = request::body();
    let lines = text::split(&lease, b'\n');
    drop(lease); //~ E0505 cannot move out of `lease` because it is borrowed
    lines.count()
}

pub fn a_part() -> usize {
    let lease = ws::event_data();
    let trimmed = text::trim(&lease);
    drop(lease); //~ E0505 cannot move out of `lease` because it is borrowed
    trimmed.len()
}

pub fn text_in_a_buffer() -> usize {
    let mut buffer = [0; 8];
    let mut text = text::TextBuf::new(&mut buffer);
    let before = text.as_bytes();
    text.push("a").unwrap(); //~ E0502 cannot borrow `text` as mutable because it is also borrowed as immutable
    before.len()
}

pub fn decoded_in_place() -> usize {
    let mut coded = *b"Zg";
    let decoded = text::decode_base64url(&mut coded).unwrap();
    coded[0] = 0; //~ E0506 cannot assign to `coded[_]` because it is borrowed
    decoded.len()
}

pub fn a_piece_of_a_lease() -> impl text::Pieces {
    let lease = request::method();
    ("GET ", &lease) //~ E0597 does not live long enough
}
