//! What a flare asks of its host: every call of an import, in order, on a host with constant answers.

use serde_json::Value;
use wasmtime::{Caller, Engine, Extern, Linker, Memory, Module, Result, Store, Val, ValType};

/// A call of an import, or what an export returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub name: String,
    /// Texts as JSON, if they are an object: the order of its members does not matter.
    pub texts: Vec<Result<Value, Vec<u8>>>,
    pub numbers: Vec<i64>,
}

/// How many of an import's arguments are texts, and its result on success: nothing, a status code, or
/// bytes.
const IMPORTS: &[(&str, usize, Option<&[u8]>)] = &[
    ("req_method", 0, Some(b"PUT")),
    ("req_url", 0, Some(b"https://example.com/a?b=1")),
    ("req_header_get", 1, Some(b"1")),
    ("req_body", 0, Some(b"{\"a\":1}")),
    ("resp_set_status", 0, None),
    ("resp_header_set", 2, None),
    ("resp_body_set", 1, None),
    (
        "beam_fetch",
        2,
        Some(b"{\"status\":201,\"headers\":{\"content-type\":\"a/b\"},\"body\":\"h\\u00e9\"}"),
    ),
    ("log_info", 1, None),
    ("log_warn", 1, None),
    ("log_error", 1, None),
    ("crypto_hash", 1, Some(b"2cf24dba")),
    ("crypto_hmac", 1, Some(b"1")),
    ("crypto_sign_jwt", 1, Some(b"a.b.c")),
    ("crypto_encrypt_aes", 1, Some(b"YWJj")),
    ("crypto_decrypt_aes", 1, Some(b"plain\xff")),
    ("crypto_random_bytes", 0, Some(b"00ff10")),
    ("encoding_base64_encode", 1, Some(b"aGVsbG8=")),
    ("encoding_base64_decode", 1, Some(b"hello")),
    ("encoding_hex_encode", 1, Some(b"6869")),
    ("encoding_hex_decode", 1, Some(b"hi")),
    ("encoding_url_encode", 1, Some(b"a+b")),
    ("encoding_url_decode", 1, Some(b"a b")),
    ("id_uuid", 1, Some(b"01890a5d-ac96-774b-bcce-b302099a8057")),
    ("id_ulid", 0, Some(b"01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    ("id_ksuid", 0, Some(b"0ujsswThIGTUYm2K8FjOOfXtY1K")),
    ("id_nanoid", 0, Some(b"V1StGXR8_Z")),
    ("snowflake_id", 0, Some(b"1234567890123456789")),
    ("timestamp", 1, Some(b"1712488333")),
    ("spark_get", 1, Some(b"\x10\0\0\x0041")),
    ("spark_set", 2, None),
    ("spark_delete", 1, None),
    ("spark_list", 0, Some(b"[\"b\",\"a\"]")),
    ("spark_pull", 2, None),
    ("plasma_get", 1, Some(b"x")),
    ("plasma_set", 2, None),
    ("plasma_delete", 1, None),
    ("plasma_increment", 1, Some(b"\x2a\0\0\0\0\0\0\0")),
    (
        "plasma_decrement",
        1,
        Some(b"\xd6\xff\xff\xff\xff\xff\xff\xff"),
    ),
    ("plasma_list", 0, Some(b"[\"b\",\"a\"]")),
    ("secret_get", 1, Some(b"hunter2")),
    ("ws_send", 1, None),
    ("ws_close_conn", 0, None),
    ("ws_conn_id", 0, Some(b"c-1")),
    ("ws_event_type", 0, Some(b"message")),
    ("ws_event_data", 0, Some(b" hello ")),
    ("ws_close_code", 0, None),
];

/// The failure code of those imports that return a code.
const CODE: i32 = 6;

/// Runs exports of a flare in a fresh instance, on a host whose functions fail where `fails` says so. A trap
/// ends the trace and is part of it.
pub fn trace(
    engine: &Engine,
    module: &Module,
    exports: &[&str],
    fails: impl Fn(&str) -> bool + Copy + Send + Sync + 'static,
) -> Vec<Call> {
    let mut linker: Linker<Vec<Call>> = Linker::new(engine);
    for import in module.imports() {
        let ty = import.ty().unwrap_func().clone();
        let returns = ty.results().next();
        let (name, count, answer) = *IMPORTS
            .iter()
            .find(|(name, _, _)| *name == import.name())
            .unwrap_or_else(|| panic!("no answer is known for {}", import.name()));
        let call = move |mut caller: Caller<'_, Vec<Call>>, args: &[Val], results: &mut [Val]| {
            let memory = memory(&mut caller);
            let texts = args[..2 * count].chunks(2).map(|pair| {
                let (start, len) = (pair[0].unwrap_i32() as usize, pair[1].unwrap_i32() as usize);
                let bytes = memory.data(&caller)[start..start + len].to_vec();
                match serde_json::from_slice::<Value>(&bytes) {
                    Ok(json) if json.is_object() => Ok(json),
                    _ => Err(bytes),
                }
            });
            let texts = texts.collect();
            let numbers = args[2 * count..].iter().map(|number| match number {
                Val::I32(number) => i64::from(*number),
                number => number.unwrap_i64(),
            });
            let numbers = numbers.collect();
            caller.data_mut().push(Call {
                name: name.to_owned(),
                texts,
                numbers,
            });
            match returns {
                None => {}
                Some(ValType::I32) => results[0] = Val::I32(if fails(name) { CODE } else { 0 }),
                Some(_) => {
                    let answer = answer.expect("it answers with bytes");
                    results[0] = Val::I64(match fails(name) {
                        true => 0,
                        false => give(&mut caller, answer)?,
                    });
                }
            }
            Ok(())
        };
        linker
            .func_new(import.module(), import.name(), ty, call)
            .unwrap();
    }
    let mut store = Store::new(engine, Vec::new());
    let instance = linker.instantiate(&mut store, module).unwrap();
    for name in exports {
        let export = instance.get_func(&mut store, name).unwrap();
        let mut returned = vec![Val::I64(0); export.ty(&store).results().len()];
        export
            .call(&mut store, &[], &mut returned)
            .unwrap_or_else(|error| panic!("{name} trapped: {error:#}"));
        // The result of a WebSocket handler is ignored.
        let returned = returned.iter().filter(|_| *name == "handle_request");
        let numbers = returned.map(Val::unwrap_i64).collect();
        store.data_mut().push(Call {
            name: (*name).to_owned(),
            texts: Vec::new(),
            numbers,
        });
    }
    store.into_data()
}

fn memory(caller: &mut Caller<'_, Vec<Call>>) -> Memory {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        panic!("it exports no memory")
    };
    memory
}

/// Returns a result to the flare, packed as the ABI requires.
fn give(caller: &mut Caller<'_, Vec<Call>>, answer: &[u8]) -> Result<i64> {
    let Some(Extern::Func(alloc)) = caller.get_export("alloc") else {
        panic!("it exports no alloc")
    };
    let alloc = alloc.typed::<i32, i32>(&*caller)?;
    let place = alloc.call(&mut *caller, answer.len() as i32)?;
    assert_ne!(place, 0);
    let memory = memory(caller);
    memory.write(&mut *caller, place as usize, answer)?;
    Ok(i64::from(place) << 32 | answer.len() as i64)
}
