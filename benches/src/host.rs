//! The engine, and an in-memory host with constant answers, so that only the flare's own cost varies.

use std::sync::Arc;

use flaron_edge::contract::{self, Import, Val};
use wasmtime::error::Context as _;
use wasmtime::{
    Caller, Config, Engine, Extern, InstanceAllocationStrategy, InstancePre, Linker, Memory,
    Module, OptLevel, PoolingAllocationConfig, Result, Store, TypedFunc, bail, ensure,
};

/// The body of an upstream's response.
#[derive(Debug, Clone, Copy)]
pub enum Upstream {
    /// The body that `examples/beam-json` posts to an API that echoes: 17 bytes of JSON.
    Echo,
    /// A list in JSON of about this many bytes, with many quotes in it.
    List(usize),
}

impl Upstream {
    /// The default: a list of 1 KiB.
    pub const USUAL: Upstream = Upstream::List(1 << 10);

    fn body(self) -> String {
        match self {
            Upstream::Echo => "{\"hello\":\"world\"}".to_owned(),
            Upstream::List(bytes) => {
                let item =
                    "{\"id\":4711,\"name\":\"Zoë Müller\",\"note\":\"line one\\nline two\"},";
                let items = item.repeat(bytes.div_ceil(item.len()));
                format!("[{}]", items.trim_end_matches(','))
            }
        }
    }
}

/// What a flare told the host.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the response, if one was set.
    pub status: Option<i32>,
    /// The headers of the response.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body of the response.
    pub body: Vec<u8>,
    /// What was stored in Spark and Plasma.
    pub stored: Vec<(Vec<u8>, Vec<u8>)>,
    /// What was sent over the WebSocket.
    pub sent: Vec<Vec<u8>>,
}

/// The state of an instance.
#[derive(Default)]
struct Host {
    memory: Option<Memory>,
    alloc: Option<TypedFunc<i32, i32>>,
    outcome: Outcome,
}

/// An engine with the imports linked.
pub struct Machine {
    engine: Engine,
    linker: Linker<Host>,
    counting: bool,
}

impl Machine {
    /// An engine with the edge's settings, for timing. With `parallel`, functions are compiled on all
    /// cores, as in the edge.
    ///
    /// # Errors
    ///
    /// When the machine has too little memory for it.
    pub fn timed(parallel: bool) -> Result<Machine> {
        let mut config = Config::new();
        config.parallel_compilation(parallel);
        config.epoch_interruption(true);
        config.max_wasm_stack(512 << 10);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(2000);
        pool.total_memories(2000);
        pool.total_tables(2000);
        pool.max_memory_size(4 << 30);
        pool.linear_memory_keep_resident(64 << 10);
        pool.table_keep_resident(64 << 10);
        pool.max_unused_warm_slots(256);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        Machine::new(&config, false, Upstream::USUAL)
    }

    /// An engine that counts instructions.
    ///
    /// # Errors
    ///
    /// When the machine has too little memory for it.
    pub fn counting(upstream: Upstream) -> Result<Machine> {
        let mut config = Config::new();
        config.consume_fuel(true);
        // Fuel counts the module's instructions, not the compiled ones.
        config.cranelift_opt_level(OptLevel::None);
        Machine::new(&config, true, upstream)
    }

    fn new(config: &Config, counting: bool, upstream: Upstream) -> Result<Machine> {
        let engine = Engine::new(config)?;
        let mut linker = Linker::new(&engine);
        for import in contract::IMPORTS {
            define(&mut linker, import, answer(import.name, upstream))?;
        }
        Ok(Machine {
            engine,
            linker,
            counting,
        })
    }

    /// Compiles a flare and links it.
    ///
    /// # Errors
    ///
    /// When the bytes are not a flare.
    pub fn compile(&self, wasm: &[u8]) -> Result<Program> {
        let module = Module::from_binary(&self.engine, wasm)?;
        let pre = self.linker.instantiate_pre(&module)?;
        Ok(Program {
            pre,
            counting: self.counting,
        })
    }
}

/// A compiled flare.
pub struct Program {
    pre: InstancePre<Host>,
    counting: bool,
}

impl Program {
    /// A fresh instance.
    ///
    /// # Errors
    ///
    /// When there is no room for one, or an export of a flare is missing.
    pub fn instantiate(&self) -> Result<Instance> {
        let mut store = Store::new(self.pre.module().engine(), Host::default());
        if self.counting {
            store.set_fuel(u64::MAX)?;
        } else {
            store.set_epoch_deadline(1);
        }
        let instance = self.pre.instantiate(&mut store)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("no memory")?;
        let alloc = match instance.get_export(&mut store, "alloc") {
            Some(Extern::Func(alloc)) => Some(alloc.typed(&store)?),
            _ => None,
        };
        let mut handler = |name| instance.get_typed_func::<(), i64>(&mut store, name).ok();
        let handlers: Vec<_> = match handler("handle_request") {
            Some(handler) => vec![handler],
            None => ["ws_open", "ws_message", "ws_close"]
                .into_iter()
                .filter_map(handler)
                .collect(),
        };
        ensure!(!handlers.is_empty(), "no handler");
        let host = store.data_mut();
        host.memory = Some(memory);
        host.alloc = alloc;
        Ok(Instance {
            store,
            memory,
            handlers,
        })
    }
}

/// An instance of a flare.
pub struct Instance {
    store: Store<Host>,
    memory: Memory,
    handlers: Vec<TypedFunc<(), i64>>,
}

impl Instance {
    /// One invocation: a request; or a WebSocket that is opened, gets one message and is closed.
    ///
    /// # Errors
    ///
    /// When the flare fails.
    pub fn invoke(&mut self) -> Result<()> {
        for handler in &self.handlers {
            handler.call(&mut self.store, ())?;
        }
        Ok(())
    }

    /// The number of instructions executed so far.
    ///
    /// # Errors
    ///
    /// When the engine does not count.
    pub fn fuel(&self) -> Result<u64> {
        Ok(u64::MAX - self.store.get_fuel()?)
    }

    /// The size of its memory in bytes. Memory never shrinks, so this is also its peak.
    pub fn memory(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// What the flare told the host.
    pub fn outcome(&self) -> &Outcome {
        &self.store.data().outcome
    }
}

/// What the host answers, or `None` for "no result".
fn answer(import: &str, upstream: Upstream) -> Option<Arc<[u8]>> {
    let answer: &[u8] = match import {
        "req_method" => b"PUT",
        "req_url" => b"https://example.test/a?b=1",
        "req_header_get" => b"text/plain",
        "req_body" => b"a body",
        "beam_fetch" => return Some(envelope(&upstream.body()).into_bytes().into()),
        // SHA-256 of `hello`.
        "crypto_hash" | "crypto_hmac" => {
            b"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        }
        "crypto_sign_jwt" => {
            b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
              eyJleHAiOjE3NjM5MTI0MDAsImlhdCI6MTc2MzkwODgwMCwiaXNzIjoiZmxhcm9uIiwic3ViIjoiZGVtby11c2VyIn0.\
              dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        }
        "id_uuid" => b"019aafc2-9a00-7cc3-98c4-dc0c0c07398f",
        "timestamp" => b"2026-11-23T14:00:00Z",
        // A TTL of 100 seconds, then the value.
        "spark_get" => b"\x64\0\0\x0041",
        "plasma_increment" | "plasma_decrement" => b"\x2a\0\0\0\0\0\0\0",
        "ws_conn_id" => b"019aafc2-9a00-7cc3-98c4-dc0c0c073990",
        "ws_event_type" => b"message",
        "ws_event_data" => b"a message to be sent back",
        _ => return None,
    };
    Some(answer.into())
}

/// What the host returns for a response with this body and a few headers.
fn envelope(body: &str) -> String {
    let string = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "{{\"status\":200,\"headers\":{{\"cache-control\":\"no-store\",\
         \"content-type\":\"application/json\",\"date\":\"Mon, 23 Nov 2026 14:00:00 GMT\",\
         \"server\":\"api\"}},\"body\":{}}}",
        string(body)
    )
}

/// Defines an import; its type decides how the arguments are handled.
fn define(linker: &mut Linker<Host>, import: &Import, answer: Option<Arc<[u8]>>) -> Result<()> {
    use Val::{I32, I64};
    type Guest<'a> = Caller<'a, Host>;
    let (module, name) = (contract::MODULE, import.name);
    match (import.params, import.result) {
        ([], Some(I64)) => linker.func_wrap(module, name, move |mut guest: Guest<'_>| {
            give(&mut guest, &answer)
        }),
        ([I32], Some(I64)) => {
            linker.func_wrap(module, name, move |mut guest: Guest<'_>, _: i32| {
                give(&mut guest, &answer)
            })
        }
        ([I32, I32], Some(I64)) => linker.func_wrap(
            module,
            name,
            move |mut guest: Guest<'_>, ptr: i32, len: i32| {
                take(&mut guest, ptr, len)?;
                give(&mut guest, &answer)
            },
        ),
        ([I32, I32, I64], Some(I64)) => linker.func_wrap(
            module,
            name,
            move |mut guest: Guest<'_>, ptr: i32, len: i32, _: i64| {
                take(&mut guest, ptr, len)?;
                give(&mut guest, &answer)
            },
        ),
        ([I32, I32, I32, I32], Some(I64)) => linker.func_wrap(
            module,
            name,
            move |mut guest: Guest<'_>, ptr: i32, len: i32, ptr2: i32, len2: i32| {
                take(&mut guest, ptr, len)?;
                take(&mut guest, ptr2, len2)?;
                give(&mut guest, &answer)
            },
        ),
        ([], Some(I32)) => linker.func_wrap(module, name, || 1000),
        ([I32], None) => linker.func_wrap(module, name, |mut guest: Guest<'_>, number: i32| {
            guest.data_mut().outcome.status = Some(number);
        }),
        ([I32, I32], None) => {
            linker.func_wrap(module, name, |mut guest: Guest<'_>, ptr: i32, len: i32| {
                let body = take(&mut guest, ptr, len)?;
                guest.data_mut().outcome.body = body;
                Ok(())
            })
        }
        ([I32, I32], Some(I32)) => {
            linker.func_wrap(module, name, |mut guest: Guest<'_>, ptr: i32, len: i32| {
                let message = take(&mut guest, ptr, len)?;
                guest.data_mut().outcome.sent.push(message);
                Ok(0)
            })
        }
        ([I32, I32, I32, I32], None) => linker.func_wrap(
            module,
            name,
            |mut guest: Guest<'_>, ptr: i32, len: i32, ptr2: i32, len2: i32| {
                let header = (take(&mut guest, ptr, len)?, take(&mut guest, ptr2, len2)?);
                guest.data_mut().outcome.headers.push(header);
                Ok(())
            },
        ),
        ([I32, I32, I32, I32], Some(I32)) => linker.func_wrap(
            module,
            name,
            |mut guest: Guest<'_>, ptr: i32, len: i32, ptr2: i32, len2: i32| {
                store(&mut guest, ptr, len, ptr2, len2)
            },
        ),
        ([I32, I32, I32, I32, I32], Some(I32)) => linker.func_wrap(
            module,
            name,
            |mut guest: Guest<'_>, ptr: i32, len: i32, ptr2: i32, len2: i32, _: i32| {
                store(&mut guest, ptr, len, ptr2, len2)
            },
        ),
        _ => bail!("the host lacks the type of {name}, {}", import.signature()),
    }?;
    Ok(())
}

/// Reads an argument.
fn take(guest: &mut Caller<'_, Host>, ptr: i32, len: i32) -> Result<Vec<u8>> {
    let memory = guest.data().memory.expect("set when it was instantiated");
    let (start, len) = (ptr as u32 as usize, len as u32 as usize);
    match memory
        .data(&*guest)
        .get(start..)
        .and_then(|rest| rest.get(..len))
    {
        Some(bytes) => Ok(bytes.to_vec()),
        None => bail!("an argument is outside of the memory"),
    }
}

/// Keeps a key and its value.
fn store(
    guest: &mut Caller<'_, Host>,
    key: i32,
    key_len: i32,
    value: i32,
    value_len: i32,
) -> Result<i32> {
    let entry = (take(guest, key, key_len)?, take(guest, value, value_len)?);
    guest.data_mut().outcome.stored.push(entry);
    Ok(0)
}

/// Puts a result into the guest's memory.
fn give(guest: &mut Caller<'_, Host>, answer: &Option<Arc<[u8]>>) -> Result<i64> {
    let Some(bytes) = answer else { return Ok(0) };
    let Some(alloc) = guest.data().alloc.clone() else {
        bail!("the flare has no alloc");
    };
    let memory = guest.data().memory.expect("set when it was instantiated");
    let ptr = alloc.call(&mut *guest, bytes.len().max(1) as i32)?;
    if ptr == 0 {
        return Ok(0);
    }
    memory.write(&mut *guest, ptr as u32 as usize, bytes)?;
    Ok(i64::from(ptr as u32) << 32 | bytes.len() as i64)
}
