//! The arena: one static byte array that the host writes results into, and the leases on it.
//!
//! ```text
//!  0               LEASED                                TOP            SIZE
//!  |  leased results | PENDING ->       free             |    scratch     |
//!  +-----------------+-----------------------------------+----------------+
//!    results grow upwards ->                              <- scratch grows downwards
//! ```
//!
//! **Results.** Before the host returns data it calls the guest's `alloc` export
//! ([`guest_alloc`]), writes there, and returns pointer and length packed into one `i64`. The SDK
//! turns that into a *lease* ([`ArenaBytes`], [`ArenaStr`]): a guard that derefs straight into the
//! arena, without a copy. Whatever the host returns is checked once, in `claim::is_pending`: a lease
//! lies in what was allocated since the last lease was made, so two leases never overlap and none
//! reaches into free space. What the host allocated behind it is free again.
//!
//! **Giving back.** Dropping the topmost lease moves `LEASED` back to where that lease began;
//! when the last living one is dropped, everything is free again. A lease that is leaked or kept in
//! a static costs its space and nothing else: nothing is ever rewound below it.
//!
//! A lease that goes to the host as it is ([`Payload`]) is given back before the call instead of behind
//! it. The compiler then sees that what was counted on is counted off, and leaves both out.
//!
//! **Scratch.** Text that the guest builds ([`crate::text`]) and arguments in JSON grow from the top
//! end ([`BackwardWriter`]); what has to stay there for a while becomes scratch ([`Text`]).
//!
//! **Growing texts.** A text that asks the host for some of its pieces grows upwards instead, behind the
//! leases ([`ForwardWriter`]): the host writes its answers where the text has got to, and no lease is
//! made.
//!
//! **Answers to be quoted.** A request that is sent on is an object of what the host answers ([`Members`]).
//! It is written backward, and kept as scratch while the host is asked for the next member; the answer
//! is read where it lies, at the other end of the free space.
//!
//! # Invariants
//!
//! They hold between any two operations, whatever the flare does and whatever the host returns. Each
//! `SAFETY` comment of this folder names those that it rests on, as (I1) and so on.
//!
//! - **I1** `LEASED`, `SCRATCH` and `SIZE` are multiples of 8.
//! - **I2** `LEASED + PENDING <= TOP <= SIZE`, also with `PENDING` rounded up to a multiple of 8.
//! - **I3** What is leased (leases, keys and their list, blocks of the heap) and not empty lies below
//!   `LEASED`, and no two such blocks overlap.
//! - **I4** Texts that are kept and not empty lie between `TOP` and `SIZE`, and no two overlap.
//! - **I5** `LIVE` is how many leases there are, those that were leaked and those on nothing included. If
//!   it is 0, `LEASED` is 0.
//! - **I6** `TEXTS` is how many texts are kept that are not empty. It is 0 if and only if `SCRATCH` is 0.
//! - **I7** No reference leads between `LEASED` and `TOP`, but for the length of a closure that calls
//!   neither the host nor the flare. The host writes there alone, into what is pending, and the writers,
//!   while nobody else runs.
//! - **I8** All bytes of the arena are initialised.
//!
//! A trap runs no destructors: after one, leases stay counted for ever. An instance that trapped
//! must not be entered again (the local edge discards it).

pub(crate) mod alloc;
#[cfg(any(asks, test))]
mod ask;
mod backward;
mod block;
mod bytes;
#[cfg(any(claims, test))]
pub(crate) mod claim;
#[cfg(any(feature = "request", test))]
pub(crate) mod excerpt;
mod forward;
mod grow;
#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test, fuzzing)))]
pub(crate) mod heap;
mod invariants;
#[cfg(feature = "beam")]
pub(crate) mod kept;
mod lease;
#[cfg(all(feature = "beam", feature = "request"))]
mod members;
#[cfg(heap)]
pub(crate) mod owned;
#[cfg(lists_keys)]
mod part;
mod payload;
mod scratch;
mod size;
#[cfg_attr(not(target_family = "wasm"), path = "storage_native.rs")]
mod storage;
mod str;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod traits;

pub use alloc::{ArenaFull, arena_refused, guest_alloc, reset_arena};
pub(crate) use backward::BackwardWriter;
pub use bytes::ArenaBytesIter;
#[allow(unreachable_pub, reason = "a sealed trait that is public names it")]
pub use forward::ForwardWriter;
pub use lease::ArenaBytes;
#[cfg(all(feature = "beam", feature = "request"))]
pub(crate) use members::Members;
#[cfg(lists_keys)]
pub use part::{Key, Keys};
#[allow(unreachable_pub, reason = "a sealed trait that is public names it")]
pub use payload::Payload;
pub use scratch::Text;
pub use size::ARENA_BYTES;
#[cfg(all(not(target_family = "wasm"), any(test, feature = "testing")))]
pub(crate) use storage::host_write;
pub use str::ArenaStr;
