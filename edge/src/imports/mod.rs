//! The 48 host functions, one file for each module of the contract.

use wasmtime::Linker;

use crate::host::Host;

mod beam;
mod crypto;
mod define;
mod encoding;
mod id;
mod logging;
mod memory;
mod plasma;
mod request;
mod response;
mod secrets;
mod spark;
mod time;
pub(crate) mod traced;
mod ws;

/// Gives every import its implementation.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(crate) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    request::link(linker)?;
    response::link(linker)?;
    beam::link(linker)?;
    logging::link(linker)?;
    crypto::link(linker)?;
    encoding::link(linker)?;
    id::link(linker)?;
    time::link(linker)?;
    spark::link(linker)?;
    plasma::link(linker)?;
    secrets::link(linker)?;
    ws::link(linker)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{IMPORTS, Val};

    #[test]
    fn every_import_is_linked_with_its_type() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::<Host>::new(&engine);
        link(&mut linker).unwrap();
        for import in IMPORTS {
            // A module that imports only this one, with the type in the table.
            let ty = |vals: &[Val]| {
                let names: Vec<_> = vals
                    .iter()
                    .map(|val| match val {
                        Val::I32 => "i32",
                        Val::I64 => "i64",
                    })
                    .collect();
                names.join(" ")
            };
            let wat = format!(
                "(module (import \"flaron/v1\" \"{}\" (func (param {}) (result {}))))",
                import.name,
                ty(import.params),
                ty(import.result.as_slice())
            );
            let module = wasmtime::Module::new(&engine, wat::parse_str(&wat).unwrap()).unwrap();
            if let Err(error) = linker.instantiate_pre(&module) {
                panic!("{}: {error:#}", import.name);
            }
        }
    }
}
