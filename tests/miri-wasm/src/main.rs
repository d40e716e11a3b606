//! The SDK's Wasm half under Miri: the code that ships, which native tests do not run.
//!
//! The program is a flare and its host at once. The imports are functions of `host.rs`, which answers
//! with anything, enters the flare again, and allocates what it never returns; `flare.rs` holds on to
//! whatever it gets, and looks at each step whether all of it reads as before. `FLARON_MIRI_SEED` decides what
//! happens and `FLARON_MIRI_STEPS` how much of it (six times so many steps), both when it is compiled.

#![no_std]
#![no_main]

#[cfg(feature = "heap")]
extern crate alloc;

mod flare;
mod host;

use core::cell::Cell;

/// A static of a program that has one thread.
pub struct Global<T>(pub T);

// SAFETY: there is one thread.
unsafe impl<T> Sync for Global<T> {}

static RANDOM: Global<Cell<u64>> = Global(Cell::new(1));

/// A number below `n`: xorshift64*.
pub fn below(n: u64) -> u64 {
    random() % n
}

pub fn random() -> u64 {
    let mut x = RANDOM.0.get();
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    RANDOM.0.set(x);
    x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
}

unsafe extern "Rust" {
    fn miri_write_to_stdout(bytes: &[u8]);
}

fn say(text: &str) {
    // SAFETY: it is one of Miri's own functions.
    unsafe { miri_write_to_stdout(text.as_bytes()) }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say("PANIC in ");
    if let Some(place) = info.location() {
        say(place.file());
        say(", line ");
        let mut buffer = [0; 10];
        let mut line = flaron_sdk::text::TextBuf::new(&mut buffer);
        let _ = line.push((place.line(), "\n"));
        say(line.as_str().unwrap_or_default());
    }
    core::arch::wasm32::unreachable()
}

fn number(digits: &str) -> u64 {
    let value = |digit| u64::from(digit - b'0');
    digits
        .bytes()
        .fold(0, |number, digit| number * 10 + value(digit))
}

// SAFETY: Miri calls it by this name.
#[unsafe(no_mangle)]
fn miri_start(_: isize, _: *const *const u8) -> isize {
    let seed = number(option_env!("FLARON_MIRI_SEED").unwrap_or("1"));
    let steps = number(option_env!("FLARON_MIRI_STEPS").unwrap_or("30"));
    RANDOM.0.set(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for round in 0..6 {
        flare::run(steps);
        say(".");
        if round % 2 == 1 {
            flare::let_go();
        }
    }
    flare::let_go();
    say(" done\n");
    0
}
