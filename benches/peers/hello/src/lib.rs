//! Answers every request as `examples/hello` does, through `wasi:http`.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Hello;

wasip2::http::proxy::export!(Hello);

const BODY: &[u8] = b"hello from the edge";

impl Guest for Hello {
    fn handle(_: IncomingRequest, response_out: ResponseOutparam) {
        let headers = Fields::new();
        // With a length, the server need not send the body in chunks, as the edge does not.
        let length = BODY.len().to_string();
        for (name, value) in [
            ("content-type", b"text/plain".as_slice()),
            ("content-length", length.as_bytes()),
        ] {
            headers
                .append(name, value)
                .expect("the names and values are valid");
        }
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("it is taken once");
        ResponseOutparam::set(response_out, Ok(response));
        let stream = body.write().expect("it is taken once");
        // Up to 4096 bytes go in one call; if the client has gone, nobody is left to tell.
        let _ = stream.blocking_write_and_flush(BODY);
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}
