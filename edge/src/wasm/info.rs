//! What a module is, compared with the contract.

use wasmtime::{ExternType, Module};

use crate::contract::{self, Import, Kind, WS_HANDLERS};
use crate::wasm::linking::{has_default_stack, lacks_stack};
use crate::wasm::renewal::is_added;

/// What a module is: its size, imports, exports and memory.
#[derive(Debug, Clone)]
pub struct FlareInfo {
    /// The size of the `.wasm`, in bytes.
    pub size: usize,
    /// The `flaron/v1` imports, in the order of the contract.
    pub imports: Vec<&'static Import>,
    /// The names of the exports, in the module's order.
    pub exports: Vec<String>,
    /// The initial memory, in bytes.
    pub memory: u64,
    /// The maximum that the module itself declares for its memory, in bytes.
    pub max_memory: Option<u64>,
    /// Whether it has a stack of 1 MiB, which means that it was linked without flags.
    pub has_default_stack: bool,
    /// Whether it is linked without a stack (`-zstack-size=16`) and uses one: it traps where it does.
    pub lacks_stack: bool,
    /// What it serves according to its exports; `None` if nothing.
    pub kind: Option<Kind>,
    /// Whether it has a start function, which runs before each invocation.
    pub start: bool,
    /// What keeps it from being a flare; empty if nothing does.
    pub problems: Vec<String>,
}

impl FlareInfo {
    /// `wasm` is what the module was made from, without what was added before it was compiled.
    pub(crate) fn from_module(module: &Module, wasm: &[u8]) -> FlareInfo {
        let mut problems = Vec::new();
        let mut imports = Vec::new();
        for import in module.imports() {
            let full = format!("{}.{}", import.module(), import.name());
            if import.module() != contract::MODULE {
                problems.push(format!(
                    "it imports `{full}`, but flares import from `{}` only",
                    contract::MODULE
                ));
                continue;
            }
            let Some(known) = Import::named(import.name()) else {
                let nearest = contract::IMPORTS
                    .iter()
                    .min_by_key(|known| strsim::damerau_levenshtein(known.name, import.name()));
                let hint = nearest.map_or(String::new(), |known| {
                    format!(" (the nearest is `{}`)", known.name)
                });
                problems.push(format!(
                    "it imports `{full}`, which {} does not have{hint}",
                    contract::MODULE
                ));
                continue;
            };
            match import.ty() {
                ExternType::Func(ty) if known.accepts(&ty) => imports.push(known),
                ExternType::Func(ty) => problems.push(format!(
                    "it imports `{full}` as {}, but its type is {}",
                    contract::signature_of(&ty),
                    known.signature()
                )),
                _ => problems.push(format!(
                    "it imports `{full}`, but not as a function of type {}",
                    known.signature()
                )),
            }
        }
        imports.sort_by_key(|import| contract::IMPORTS.iter().position(|known| known == *import));
        imports.dedup();

        let export = |name| module.get_export(name);
        let (memory, max_memory) = match export("memory") {
            Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => (
                memory.minimum() * memory.page_size(),
                memory.maximum().map(|max| max * memory.page_size()),
            ),
            Some(_) => {
                problems.push("its export `memory` is not a 32-bit memory".to_owned());
                (0, None)
            }
            None => {
                if imports.iter().any(|i| i.reads_memory() || i.allocates()) {
                    problems.push("it has no export `memory`".to_owned());
                }
                (0, None)
            }
        };
        // Whether there is such an export. One of another type is a problem of its own. (Of the
        // results, the first is the contract's; the others are accepted, too.)
        let mut has =
            |name: &'static str, params: &[contract::Val], results: &[Option<contract::Val>]| {
                let got = match export(name) {
                    None => return false,
                    Some(ExternType::Func(ty)) => {
                        if results
                            .iter()
                            .any(|&result| contract::is_type(&ty, params, result))
                        {
                            return true;
                        }
                        contract::signature_of(&ty)
                    }
                    Some(_) => "no function".to_owned(),
                };
                problems.push(format!(
                    "its export `{name}` is {got}, but its type is {}",
                    contract::signature(params, results[0])
                ));
                true
            };
        use contract::Val::{I32, I64};
        let has_alloc = has("alloc", &[I32], &[Some(I32)]);
        let has_http = has("handle_request", &[], &[Some(I64)]);
        // The C SDK's handlers return an i32; the result is not used.
        let handlers = WS_HANDLERS.map(|name| has(name, &[], &[Some(I64), Some(I32), None]));
        if !has_alloc && let Some(import) = imports.iter().find(|import| import.allocates()) {
            problems.push(format!(
                "it has no export `alloc` of type (i32) -> i32, but imports `{}`, whose result \
                 needs it",
                import.name
            ));
        }
        let has_ws = handlers.iter().any(|&has| has);
        if has_ws {
            for (name, has) in WS_HANDLERS.iter().zip(handlers) {
                if !has {
                    problems.push(format!(
                        "it has no export `{name}` of type () -> i64, but other WebSocket handlers"
                    ));
                }
            }
        }
        let kind = match (has_http, has_ws) {
            (true, true) => Some(Kind::Both),
            (true, false) => Some(Kind::Http),
            (false, true) => Some(Kind::WebSocket),
            (false, false) => {
                problems.push(
                    "it has neither the export `handle_request` of type () -> i64 (HTTP) nor \
                     `ws_open`, `ws_message`, `ws_close` (WebSocket)"
                        .to_owned(),
                );
                None
            }
        };
        FlareInfo {
            size: wasm.len(),
            start: has_start(wasm),
            imports,
            exports: module
                .exports()
                .map(|export| export.name().to_owned())
                .filter(|name| !is_added(name))
                .collect(),
            memory,
            max_memory,
            has_default_stack: has_default_stack(wasm),
            lacks_stack: lacks_stack(wasm),
            kind,
            problems,
        }
    }
}

/// Whether a module has a start function.
fn has_start(wasm: &[u8]) -> bool {
    wasmparser::Parser::new(0)
        .parse_all(wasm)
        .any(|payload| matches!(payload, Ok(wasmparser::Payload::StartSection { .. })))
}
