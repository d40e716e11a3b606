//! The imports of `spark`.

use wasmtime::{Caller, Linker};

use crate::capability::spark::{SparkCode, SparkError};
use crate::contract::MODULE;
use crate::host::Host;
use crate::imports::define::{data, text, text_data};
use crate::imports::memory::{arg, split};

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    text_data(l, "spark_get", |host, key| {
        let result = host.spark().0.get(key).transpose()?;
        host.ok_or_note("spark_get", result)
    })?;
    l.func_wrap(
        MODULE,
        "spark_set",
        |mut caller: Caller<'_, Host>,
         key: i32,
         key_len: i32,
         value: i32,
         value_len: i32,
         ttl: i32| {
            let (memory, host) = split(&mut caller);
            let Some(key) = arg(memory, host, "spark_set", key, key_len) else {
                return SparkCode::BadKey as i32;
            };
            let Some(value) = arg(memory, host, "spark_set", value, value_len) else {
                return SparkCode::Internal as i32;
            };
            let (spark, clock) = host.spark();
            let result = clock.wait(|| spark.set(key, value, ttl));
            host.status_or_note("spark_set", result, SparkError::code)
        },
    )?;
    text(l, "spark_delete", |host, key| {
        let (spark, clock) = host.spark();
        let result = clock.wait(|| spark.delete(key));
        host.status_or_note("spark_delete", result, SparkError::code);
    })?;
    data(l, "spark_list", |host| {
        let result = host.spark().0.list();
        host.ok_or_note("spark_list", result)
    })?;
    l.func_wrap(
        MODULE,
        "spark_pull",
        |mut caller: Caller<'_, Host>, origin: i32, origin_len: i32, keys: i32, keys_len: i32| {
            let (memory, host) = split(&mut caller);
            let origin = arg(memory, host, "spark_pull", origin, origin_len);
            let keys = arg(memory, host, "spark_pull", keys, keys_len);
            let (Some(origin), Some(keys)) = (origin, keys) else {
                return -(SparkCode::BadKey as i32);
            };
            let mut span = host.span.outward("spark_pull");
            span.text("server.address", &String::from_utf8_lossy(origin));
            let (spark, clock) = host.spark();
            let result = clock.wait(|| spark.pull(origin, keys));
            if let Err(error) = &result {
                span.fail("refused", &error.to_string());
            }
            match result {
                Ok(count) => i32::try_from(count).unwrap_or(i32::MAX),
                Err(error) => -host.status_or_note("spark_pull", Err(error), SparkError::code),
            }
        },
    )?;
    Ok(())
}
