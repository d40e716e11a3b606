//! State that lasts from one invocation of an instance to the next.

#![cfg_attr(
    target_family = "wasm",
    allow(unsafe_code, reason = "with one thread, a cell may be a static")
)]

use core::cell::Cell;

/// Declares a static that a flare can change, for state that lasts as long as the instance does.
///
/// A WebSocket connection has one instance for its whole life, so this is where a flare keeps what it
/// knows about the connection. The instance of an HTTP flare may serve many requests or only one: for those
/// it is a cache and nothing more.
///
/// ```
/// flaron_sdk::state! {
///     /// How many messages the connection has sent.
///     static MESSAGES: u32 = 0;
/// }
///
/// MESSAGES.set(MESSAGES.get() + 1);
/// assert_eq!(MESSAGES.get(), 1);
/// ```
///
/// The static is a [`State`]: a cell whose value is copied, taken or replaced, but never borrowed. Its initial
/// value is computed at compile time. In Wasm it is a plain static; on native targets each thread has its own,
/// as each has its own [`Host`](crate::testing::Host).
#[macro_export]
macro_rules! state {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;)+) => {$(
        $(#[$attribute])*
        $visibility static $name: $crate::State<$type> = $crate::__state!($type, $value);
    )+};
}

#[doc(hidden)]
#[macro_export]
#[cfg(target_family = "wasm")]
macro_rules! __state {
    ($type:ty, $value:expr) => {
        $crate::State::new($value)
    };
}

#[doc(hidden)]
#[macro_export]
#[cfg(not(target_family = "wasm"))]
macro_rules! __state {
    ($type:ty, $value:expr) => {{
        $crate::__thread_local! {
            // The name of a static is not hygienic: an author's constant may have any but this one.
            static __STATE_CELL: ::core::cell::Cell<$type> = const { ::core::cell::Cell::new($value) };
        }
        $crate::State::new(&__STATE_CELL)
    }};
}

#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
pub use std::thread_local as __thread_local;

/// A cell in a static: see [`state!`](crate::state!).
#[cfg(target_family = "wasm")]
pub struct State<T: 'static>(Cell<T>);

/// A cell in a static: see [`state!`](crate::state!).
#[cfg(not(target_family = "wasm"))]
pub struct State<T: 'static>(&'static std::thread::LocalKey<Cell<T>>);

// SAFETY: a Wasm module that the SDK compiles for has one thread (`build.rs` refuses others). A value only
// leaves its cell by being copied, taken or replaced, during which none of the value's own code runs.
#[cfg(target_family = "wasm")]
unsafe impl<T> Sync for State<T> {}

#[cfg(target_family = "wasm")]
impl<T> State<T> {
    #[doc(hidden)]
    pub const fn new(value: T) -> State<T> {
        State(Cell::new(value))
    }

    #[inline(always)] // size: inline-small
    fn with<R>(&self, use_cell: impl FnOnce(&Cell<T>) -> R) -> R {
        use_cell(&self.0)
    }
}

#[cfg(not(target_family = "wasm"))]
impl<T> State<T> {
    #[doc(hidden)]
    pub const fn new(cell: &'static std::thread::LocalKey<Cell<T>>) -> State<T> {
        State(cell)
    }

    fn with<R>(&self, use_cell: impl FnOnce(&Cell<T>) -> R) -> R {
        self.0.with(use_cell)
    }
}

impl<T> State<T> {
    /// A copy of the value.
    #[inline] // size: inline-small
    pub fn get(&self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Sets the value, dropping the old one.
    #[inline] // size: inline-small
    pub fn set(&self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// Sets the value and returns the old one.
    #[inline] // size: inline-small
    pub fn replace(&self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }

    /// Takes the value, leaving the default in its place.
    #[inline] // size: inline-small
    pub fn take(&self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::thread;

    crate::state! {
        /// A number.
        static COUNT: u32 = 7;
        static NAME: Option<String> = None;
    }

    #[test]
    fn it_lasts_and_each_thread_has_its_own() {
        COUNT.set(COUNT.get() + 1);
        assert_eq!(COUNT.replace(1), 8);
        assert_eq!(NAME.replace(Some("a".into())), None);
        let other = thread::spawn(|| (COUNT.get(), NAME.take()));
        assert_eq!(other.join().unwrap(), (7, None));
        assert_eq!((COUNT.get(), NAME.take().as_deref()), (1, Some("a")));
        assert_eq!(NAME.take(), None);
    }
}
