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
//! arena, without a copy. Whatever the host returns is checked once, in [`is_pending`]: a lease lies in
//! what was allocated since the last lease was made, so two leases never overlap and none reaches
//! into free space. What the host allocated behind it is free again.
//!
//! **Giving back.** Dropping the topmost lease moves `LEASED` back to where that lease began;
//! when the last living one is dropped, everything is free again. A lease that is leaked or kept in
//! a static costs its space and nothing else: nothing is ever rewound below it.
//!
//! A lease that goes to the host as it is ([`Built`]) is given back before the call instead of behind
//! it. The compiler then sees that what was counted on is counted off, and leaves both out.
//!
//! **Scratch.** Text that the guest builds ([`crate::text`], JSON arguments) grows from the top
//! end, as a [`Draft`] first; what has to stay there for a while becomes scratch.
//!
//! **Growth.** A text that asks the host for some of its pieces grows upwards instead, behind the
//! leases ([`Growth`]): the host writes its answers where the text gets to, and no lease is made.
//!
//! A trap runs no destructors: after one, leases stay counted for ever. An instance that trapped
//! must not be entered again (the local edge discards it).

#[cfg(feature = "fast-json")]
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::num::NonZeroU64;
use core::ops::{Deref, DerefMut};
#[cfg(feature = "fast-json")]
use core::slice;

use crate::abi;
#[cfg(any(feature = "spark", feature = "plasma"))]
use crate::json;
use crate::text::{self, Piece, Pieces, Sink};
use storage::{LEASED, LIVE, PENDING, REFUSED, SCRATCH, TEXTS, WAS_REFUSED};

/// The size of the arena in bytes: 262,144 (256 KiB), or what the environment variable
/// `FLARON_ARENA_BYTES` says when the SDK is compiled.
///
/// Set it for a flare in its `.cargo/config.toml`:
///
/// ```toml
/// [env]
/// FLARON_ARENA_BYTES = "49152"
/// ```
///
/// It must be a multiple of 8, from 64 to 1,073,741,824; anything else does not compile. A result
/// that does not fit is refused (see [`arena_refused`]), so a flare that reads whole request
/// bodies (up to 10 MiB) needs an arena that is larger than they are.
pub const ARENA_BYTES: usize = arena_bytes(option_env!("FLARON_ARENA_BYTES"));

const fn arena_bytes(setting: Option<&str>) -> usize {
    let Some(digits) = setting else {
        return 256 * 1024;
    };
    let digits = digits.as_bytes();
    let mut bytes = 0;
    let mut i = 0;
    while i < digits.len() {
        assert!(
            digits[i].is_ascii_digit() && bytes < 1 << 30,
            "FLARON_ARENA_BYTES is a decimal number of bytes, at most 1073741824"
        );
        bytes = bytes * 10 + (digits[i] - b'0') as usize;
        i += 1;
    }
    assert!(
        bytes >= 64 && bytes <= 1 << 30 && bytes % 8 == 0,
        "FLARON_ARENA_BYTES is a multiple of 8, from 64 to 1073741824"
    );
    bytes
}

/// What the arena's offsets run to.
const SIZE: u32 = ARENA_BYTES as u32;

/// The bytes and the bookkeeping, where the target has them.
///
/// All words are offsets into the arena and begin with 0, so that none needs a data segment.
/// Each is a static of its own: what a flare never reads is then removed by the linker.
#[cfg(target_family = "wasm")]
mod storage {
    use core::cell::UnsafeCell;

    #[cfg(target_feature = "atomics")]
    compile_error!("flaron-sdk is for single-threaded Wasm: build without the `atomics` feature");

    /// A word of the arena's bookkeeping.
    pub(super) struct Word<T = u32>(UnsafeCell<T>);

    // SAFETY: a Wasm module without the `atomics` feature (refused above) has one thread.
    unsafe impl<T> Sync for Word<T> {}

    impl<T: Copy> Word<T> {
        #[inline(always)]
        pub(super) fn get(&self) -> T {
            // SAFETY: one thread, and no reference to the word ever leaves these two functions.
            unsafe { *self.0.get() }
        }
        #[inline(always)]
        pub(super) fn set(&self, value: T) {
            // SAFETY: as in `get`.
            unsafe { *self.0.get() = value }
        }
    }

    #[repr(C, align(8))]
    struct Memory(UnsafeCell<[u8; super::SIZE as usize]>);

    // SAFETY: as for `Word`.
    unsafe impl Sync for Memory {}

    /// Statics are laid out in the order of their symbols, which begin with the name's length: a
    /// name of nine letters goes behind the words, whose addresses then take a byte less (18 bytes
    /// in all in `examples/echo`).
    static RAW_BYTES: Memory = Memory(UnsafeCell::new([0; super::SIZE as usize]));

    /// Where the topmost lease ends.
    pub(super) static LEASED: Word = Word(UnsafeCell::new(0));
    /// How many bytes from there on the host has allocated since, a growing text among them.
    pub(super) static PENDING: Word = Word(UnsafeCell::new(0));
    /// How many bytes at the top end are scratch.
    pub(super) static SCRATCH: Word = Word(UnsafeCell::new(0));
    /// How many leases are alive. In 64 bits, because one that is leaked stays counted, and one on
    /// nothing takes no space that would run out: 32 bits can overflow.
    pub(super) static LIVE: Word<u64> = Word(UnsafeCell::new(0));
    /// How many scratch texts are alive.
    pub(super) static TEXTS: Word = Word(UnsafeCell::new(0));
    /// 1 if `guest_alloc` refused the host since the last result came back.
    pub(super) static REFUSED: Word = Word(UnsafeCell::new(0));
    /// 1 if the last result was missing because it did not fit.
    pub(super) static WAS_REFUSED: Word = Word(UnsafeCell::new(0));

    /// What the host answered a growing text: length and address, as they lie in a packed block.
    static ANSWER: [Word; 2] = [const { Word(UnsafeCell::new(0)) }; 2];

    /// Keeps what the host returned for `answer_len` and `answer_address`.
    #[inline(always)]
    pub(super) fn keep_answer(returned: i64) {
        ANSWER[0].set(super::length(returned));
        ANSWER[1].set(super::address(returned));
    }

    #[inline(always)]
    pub(super) fn answer_len() -> u32 {
        ANSWER[0].get()
    }

    #[inline(always)]
    pub(super) fn answer_address() -> u32 {
        ANSWER[1].get()
    }

    /// The first byte of the arena, with leave to access all of it.
    pub(super) fn memory() -> *mut u8 {
        RAW_BYTES.0.get().cast()
    }

    /// The address of the arena's first byte, as the host sees it.
    pub(super) fn origin() -> u32 {
        memory() as u32
    }
}

/// The same for native targets: one arena per thread, because tests run in parallel.
#[cfg(not(target_family = "wasm"))]
mod storage {
    use core::cell::Cell;
    use core::sync::atomic::AtomicPtr;
    use std::boxed::Box;
    use std::sync::{Mutex, PoisonError};
    use std::vec::Vec;
    use std::{thread_local, vec};

    /// Every thread's arena, for ever: a lease may have been leaked, and borrowed as `&'static`, so
    /// its bytes have to outlive the thread. Nobody looks into an arena through this list: it keeps
    /// them reachable, so that leak checkers do not report them.
    static ALL: Mutex<Vec<AtomicPtr<u8>>> = Mutex::new(Vec::new());

    thread_local! {
        /// The first byte of the thread's arena. It is zeroed where it lies, on the heap: it may be
        /// larger than a thread's stack, and what is never touched then takes no memory.
        static RAW_BYTES: *mut u8 = {
            // Words, because the arena is 8-byte aligned.
            let words = vec![0_u64; super::SIZE as usize / 8].into_boxed_slice();
            let memory = Box::into_raw(words).cast();
            ALL.lock().unwrap_or_else(PoisonError::into_inner).push(AtomicPtr::new(memory));
            memory
        };
        pub(super) static LEASED: Cell<u32> = const { Cell::new(0) };
        pub(super) static PENDING: Cell<u32> = const { Cell::new(0) };
        pub(super) static SCRATCH: Cell<u32> = const { Cell::new(0) };
        pub(super) static LIVE: Cell<u64> = const { Cell::new(0) };
        pub(super) static TEXTS: Cell<u32> = const { Cell::new(0) };
        pub(super) static REFUSED: Cell<u32> = const { Cell::new(0) };
        pub(super) static WAS_REFUSED: Cell<u32> = const { Cell::new(0) };
        static ANSWER: Cell<i64> = const { Cell::new(0) };
    }

    pub(super) fn keep_answer(returned: i64) {
        ANSWER.set(returned);
    }

    pub(super) fn answer_len() -> u32 {
        super::length(ANSWER.get())
    }

    pub(super) fn answer_address() -> u32 {
        super::address(ANSWER.get())
    }

    pub(super) fn memory() -> *mut u8 {
        RAW_BYTES.with(|memory| *memory)
    }

    /// Native addresses do not fit into 32 bits, so the arena has the address here that it has in
    /// a Wasm module whose stack is 4,096 bytes.
    pub(super) fn origin() -> u32 {
        4096
    }
}

/// Where the scratch begins, and free space ends.
fn top() -> u32 {
    SIZE - SCRATCH.get()
}

/// Where the block of `len` bytes at `start` ends: blocks begin and end at multiples of 8.
fn block_end(start: u32, len: u32) -> u32 {
    start.wrapping_add(len).wrapping_add(7) & !7
}

/// Whether `end` is where the block of `len` bytes at `start` ends: that of the topmost lease is
/// `LEASED`. Blocks begin at multiples of 8, so with less than 8 bytes behind it nothing is. (To
/// compare with `block_end` takes 3 bytes more.)
fn is_behind(end: u32, start: u32, len: u32) -> bool {
    end.wrapping_sub(start.wrapping_add(len)) < 8
}

/// Hands out a block of the arena to the host: what the `alloc` export is.
///
/// The block is 8-byte aligned. The result is its address, or `0` when `size` is not positive or
/// the arena has no room for it; the host then returns "no result" from the call that wanted the
/// block, and [`arena_refused`] tells so.
///
/// On native targets the address is a made-up one that only the test host understands.
pub fn guest_alloc(size: i32) -> i32 {
    // Up to a multiple of 8: a growing text may end anywhere. It is no more than there is, because
    // both ends of the free space are such multiples.
    let pending = block_end(PENDING.get(), 0);
    let start = LEASED.get() + pending;
    // One less than 0, or than a negative size, is more than any room.
    if (size as u32).wrapping_sub(1) >= top() - start {
        REFUSED.set(1);
        return 0;
    }
    PENDING.set(pending + size as u32);
    (storage::origin() + start) as i32
}

/// Makes all of the arena free that no lease holds: for the start of an invocation.
///
/// [`handle_request!`](crate::handle_request) and its like do it for you. It is safe to call at any
/// time: what is leased stays where it is, only results that were written and never leased are
/// given up.
pub fn reset_arena() {
    PENDING.set(0);
}

/// Whether the last result that came back empty-handed did so for want of space: the host's
/// answer did not fit into the arena, or the argument did not fit into the scratch.
///
/// Every host call that returns data sets it anew. Functions that return a `Result` say the same
/// with an error of its own; after a `None` this tells "did not fit" from "was not there":
///
/// ```
/// # #[cfg(feature = "spark")] {
/// use flaron_sdk::{arena_refused, spark};
///
/// if spark::get("profile").is_none() && arena_refused() {
///     // There is a value, but it is larger than what is left of the arena.
/// }
/// # }
/// ```
#[inline]
pub fn arena_refused() -> bool {
    WAS_REFUSED.get() != 0
}

/// The error for "did not fit": the arena has no room left for what was to be built in it.
///
/// Drop leases that are no longer needed, or set a larger arena (see [`ARENA_BYTES`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArenaFull;

impl fmt::Display for ArenaFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the arena is full: drop leases, or set a larger FLARON_ARENA_BYTES")
    }
}

impl core::error::Error for ArenaFull {}

/// A block of the arena as the ABI packs it: address in the high half, length in the low half.
/// The address is never 0, so `Option<Packed>` is one `i64` too.
type Packed = NonZeroU64;

/// The block of a lease on nothing: its address is not null, and its length is 0.
const EMPTY: Packed = Packed::new(1 << 32).unwrap();

/// Where a packed block begins, as the host sees it.
fn address(packed: i64) -> u32 {
    (packed as u64 >> 32) as u32
}

/// Where a packed block begins, as an offset into the arena.
fn offset(packed: i64) -> u32 {
    address(packed).wrapping_sub(storage::origin())
}

/// How many bytes a packed block has.
fn length(packed: i64) -> u32 {
    packed as u32
}

fn address_of(packed: Packed) -> u32 {
    address(packed.get() as i64)
}

fn offset_of(packed: Packed) -> u32 {
    offset(packed.get() as i64)
}

fn len_of(packed: Packed) -> u32 {
    length(packed.get() as i64)
}

/// Takes what a host call returned as a lease, if it is one.
#[inline(always)]
pub(crate) fn lease(returned: i64) -> Option<ArenaBytes> {
    let packed = Packed::new(check(returned, 0) as u64)?;
    Some(ArenaBytes {
        packed,
        not_send: PhantomData,
    })
}

/// Takes what a host call returned as a lease, if it is one and not empty.
#[inline(always)]
pub(crate) fn lease_unless_empty(returned: i64) -> Option<ArenaBytes> {
    if length(returned) == 0 {
        None
    } else {
        lease(returned)
    }
}

/// Takes what a host call returned as a lease; an empty one if it is none.
#[inline(always)]
pub(crate) fn lease_or_empty(returned: i64) -> ArenaBytes {
    let packed = check(returned, EMPTY.get() as i64) as u64;
    // SAFETY: what `check` lets through has an address in the arena, and no static has address 0;
    // `EMPTY` is not 0 either.
    let packed = unsafe { Packed::new_unchecked(packed) };
    ArenaBytes {
        packed,
        not_send: PhantomData,
    }
}

/// Reads what a host call returned and gives it back at once, if it is anything: without a lease,
/// for what is copied or turned into a number.
///
/// `read` must call neither the host nor the flare.
#[inline(always)]
pub(crate) fn read<T>(returned: i64, read: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    if !take_allocated(returned) {
        return None;
    }
    let packed = Packed::new(returned as u64)?;
    // SAFETY: the block is one that the host allocated, behind all leases. It is free space by now,
    // and nothing that could write there runs before the borrow ends with `read`.
    read(unsafe { bytes_of(packed) })
}

/// Takes what a host call returned as a lease, if it is anything, and if `decode` makes something of it
/// where it lies. `None` if it is nothing, and the error if `decode` has one: then there was no lease,
/// and none is given back.
///
/// `decode` must call neither the host nor the flare.
#[inline(always)]
pub(crate) fn lease_decoded<T, E>(
    returned: i64,
    decode: impl FnOnce(&mut [u8]) -> Result<T, E>,
) -> Option<Result<(ArenaBytes, T), E>> {
    if !take_allocated(returned) {
        return None;
    }
    // SAFETY: its address lies in the arena, and no static lies at address 0.
    let packed = unsafe { Packed::new_unchecked(returned as u64) };
    // SAFETY: as in `read`, and nothing else looks at it either.
    let decoded = decode(unsafe { bytes_of_mut(packed) });
    Some(decoded.map(|decoded| {
        LEASED.set(block_end(offset(returned), length(returned)));
        count_lease();
        let lease = ArenaBytes {
            packed,
            not_send: PhantomData,
        };
        (lease, decoded)
    }))
}

/// Answers a packed block with itself, if the block is the host's to return; otherwise with
/// `otherwise`. Counts what it answers as a lease, unless that is 0.
#[inline]
fn check(returned: i64, otherwise: i64) -> i64 {
    let mut packed = otherwise;
    if take_allocated(returned) {
        let (offset, len) = (offset(returned), length(returned));
        let end = block_end(offset, len);
        LEASED.set(end);
        // SAFETY: rounding up to a multiple of 8 adds less than 8. (It is what `release` asks: a
        // lease that is given back at once is known to be the topmost, which saves 45 bytes.)
        unsafe { core::hint::assert_unchecked(is_behind(end, offset, len)) };
        // SAFETY: its address lies in the arena, and no static lies at address 0.
        unsafe { core::hint::assert_unchecked(returned != 0) };
        packed = returned;
    }
    if packed != 0 {
        count_lease();
    }
    packed
}

/// Whether a block, which has this address and length, lies behind an offset and in what the host has
/// allocated since the last lease: the one place where the host's pointers are checked.
///
/// `behind` is where the leases end, or the text that grows there. If the host has called the flare
/// meanwhile, that text may end below a lease, and where nothing is allocated.
#[inline(always)]
fn is_pending((address, len): (u32, u32), behind: u32, leased: u32, pending: u32) -> bool {
    // An address before `behind`, that of 0 ("no result") among them, wraps around and is too large.
    // (One comparison of 64 bits takes up to 7 bytes less than two of 32, in which nothing overflows.)
    let gap = address.wrapping_sub(storage::origin()).wrapping_sub(behind);
    let room = (leased + pending).wrapping_sub(behind) as i32;
    behind >= leased && i64::from(gap) + i64::from(len) <= i64::from(room)
}

/// Whether a packed block is the host's to return. If it is, all that was allocated is free from now on;
/// if not, it stays the host's (giving it up in any case takes 6 bytes more).
#[inline(always)]
fn take_allocated(returned: i64) -> bool {
    note_refusal();
    let (leased, pending) = (LEASED.get(), PENDING.get());
    let block = (address(returned), length(returned));
    if !is_pending(block, leased, leased, pending) {
        return false;
    }
    PENDING.set(0);
    true
}

/// A host call has returned: what it was refused meanwhile is what [`arena_refused`] tells from now on.
#[inline(always)]
fn note_refusal() {
    WAS_REFUSED.set(REFUSED.get());
    REFUSED.set(0);
}

/// Counts one living lease more.
#[inline(always)]
fn count_lease() {
    LIVE.set(LIVE.get() + 1);
}

/// Counts one living lease off. Without the last, everything is free again; if others live,
/// `roll_back` may make free what was behind them.
#[inline(always)]
fn uncount_lease(roll_back: impl FnOnce()) {
    let live = LIVE.get() - 1;
    LIVE.set(live);
    if live == 0 {
        LEASED.set(0);
    } else {
        roll_back();
    }
}

/// Gives a lease's block back.
#[inline] // shared
fn release(packed: Packed) {
    let (offset, len) = (offset_of(packed), len_of(packed));
    uncount_lease(|| {
        if is_behind(LEASED.get(), offset, len) {
            // Back to the multiple of 8 at which the block began: a lease may begin inside of it. (An
            // empty one may have no block; then it lies at such a multiple, and nothing changes.)
            LEASED.set(offset & !7);
        }
    });
}

/// The byte at an address in the arena. (As an offset from the first byte it takes 7 bytes more in
/// `examples/plasma-counter`.)
fn at_address(address: u32) -> *mut u8 {
    #[cfg(target_family = "wasm")]
    return core::ptr::with_exposed_provenance_mut(address as usize); // `origin` exposes it
    #[cfg(not(target_family = "wasm"))]
    storage::memory().wrapping_add(address.wrapping_sub(storage::origin()) as usize)
}

/// Where a block's bytes are. An empty block may have any address.
fn start_of(packed: Packed) -> *mut u8 {
    at_address(address_of(packed))
}

/// The bytes of a block.
///
/// # Safety
///
/// The block is empty or lies in the arena, and nothing writes to it as long as `'a` lasts.
unsafe fn bytes_of<'a>(packed: Packed) -> &'a [u8] {
    // SAFETY: the arena's bytes are always initialised: zeros at first, then what the host wrote or
    // what was copied from slices of bytes. (With `arena-alloc` the guest's heap writes there too,
    // padding among it; but such a block comes to light only after `guest_alloc` gave it to the host,
    // for all that Rust knows to write on it.) The rest is the caller's promise. The address of an
    // empty block is not null.
    unsafe { core::slice::from_raw_parts(start_of(packed), len_of(packed) as usize) }
}

/// The bytes of a block, to change.
///
/// # Safety
///
/// The block is empty or lies in the arena, and nothing else reads or writes it as long as `'a`
/// lasts.
unsafe fn bytes_of_mut<'a>(packed: Packed) -> &'a mut [u8] {
    // SAFETY: as in `bytes_of`.
    unsafe { core::slice::from_raw_parts_mut(start_of(packed), len_of(packed) as usize) }
}

/// Moves whole words from where one iterator is to where the other is, as long as there are such and
/// `all` says yes to them. The two may go over the same bytes.
///
/// It begins only where a word is aligned: called before each byte of a text, it costs a look at the
/// address before most of them.
#[cfg(feature = "fast-json")]
#[inline(always)]
pub(crate) fn move_words(
    from: &mut slice::Iter<'_, Cell<u8>>,
    to: &mut slice::Iter<'_, Cell<u8>>,
    all: impl Fn(usize) -> bool,
) {
    const WORD: usize = size_of::<usize>();
    let mut input = from.as_slice();
    if input.as_ptr().addr() % WORD != 0 {
        return;
    }
    while let (Some((word, behind_word)), Some((place, behind_place))) = (
        input.split_first_chunk::<WORD>(),
        to.as_slice().split_first_chunk::<WORD>(),
    ) {
        // SAFETY: as many cells as a word has bytes; any bytes are a number.
        let word = unsafe { word.as_ptr().cast::<usize>().read_unaligned() };
        if !all(word) {
            break;
        }
        // SAFETY: as many cells again, which may be written to although they are shared. There is
        // no other thread that could look at them (cells are not `Sync`), and no reference to what
        // is in them.
        unsafe {
            place
                .as_ptr()
                .cast_mut()
                .cast::<usize>()
                .write_unaligned(word)
        }
        input = behind_word;
        *from = input.iter();
        *to = behind_place.iter();
    }
}

/// A slice in one number, as the ABI packs it: functions take and return it in registers. (A slice
/// proper is returned through memory, which costs some 20 bytes at each call.)
#[derive(Clone, Copy)]
pub(crate) struct PackedSlice<'a>(
    #[cfg(target_family = "wasm")] (Packed, PhantomData<&'a [u8]>),
    // Native addresses do not fit.
    #[cfg(not(target_family = "wasm"))] &'a [u8],
);

#[cfg(target_family = "wasm")]
impl<'a> PackedSlice<'a> {
    #[inline(always)]
    pub(crate) fn new(slice: &'a [u8]) -> PackedSlice<'a> {
        let address = slice.as_ptr().expose_provenance() as u64;
        // SAFETY: the address of a slice is not null.
        let packed = unsafe { Packed::new_unchecked(address << 32 | slice.len() as u64) };
        PackedSlice((packed, PhantomData))
    }

    #[inline(always)]
    pub(crate) fn get(self) -> &'a [u8] {
        let packed = self.0.0.get();
        let start = core::ptr::with_exposed_provenance((packed >> 32) as usize);
        // SAFETY: address and length are those of a slice that lives as long as `'a`; `new` made
        // the number of it, and nothing else does. Addresses and lengths have 32 bits.
        unsafe { core::slice::from_raw_parts(start, packed as u32 as usize) }
    }
}

#[cfg(not(target_family = "wasm"))]
impl<'a> PackedSlice<'a> {
    pub(crate) fn new(slice: &'a [u8]) -> PackedSlice<'a> {
        PackedSlice(slice)
    }

    pub(crate) fn get(self) -> &'a [u8] {
        self.0
    }
}

/// Bytes that the host wrote into the arena, borrowed from there.
///
/// Derefs to `[u8]`. While it lives, its bytes stay where they are; dropping it gives the space
/// back. It is neither [`Send`] nor [`Sync`], and what it derefs to cannot outlive it.
#[repr(transparent)]
pub struct ArenaBytes {
    packed: Packed,
    /// Keeps the lease on its thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl ArenaBytes {
    /// The bytes, to be decoded in place.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: `lease` checked that the block lies in the arena, apart from all other leases.
        // `&mut self` means that nothing it dereferenced to is still borrowed. See `deref`.
        unsafe { bytes_of_mut(self.packed) }
    }

    /// Takes the first `n` bytes off the lease; all if it has fewer.
    #[inline(always)]
    pub(crate) fn skip(self, n: u32) -> ArenaBytes {
        let lease = ManuallyDrop::new(self);
        let n = n.min(len_of(lease.packed));
        // More to the address and less to the length, at once: the end stays where it is.
        let packed = lease.packed.get() + ((u64::from(n) << 32) - u64::from(n));
        ArenaBytes {
            packed: Packed::new(packed).unwrap_or(EMPTY),
            not_send: PhantomData,
        }
    }

    /// Keeps the first `n` bytes, if there are more.
    pub(crate) fn truncate(self, n: u32) -> ArenaBytes {
        let lease = ManuallyDrop::new(self);
        let (offset, len) = (offset_of(lease.packed), len_of(lease.packed));
        let rest = len - n.min(len);
        // What the topmost lease gives up is free at once, so that dropping it rolls back.
        if is_behind(LEASED.get(), offset, len) {
            LEASED.set(block_end(offset, len - rest));
        }
        let packed = lease.packed.get() - u64::from(rest);
        ArenaBytes {
            packed: Packed::new(packed).unwrap_or(EMPTY),
            not_send: PhantomData,
        }
    }

    /// The same lease as text; see [`ArenaStr`].
    pub fn into_text(self) -> ArenaStr {
        ArenaStr(self)
    }
}

/// A lease on nothing.
impl Default for ArenaBytes {
    fn default() -> ArenaBytes {
        count_lease();
        ArenaBytes {
            packed: EMPTY,
            not_send: PhantomData,
        }
    }
}

impl Deref for ArenaBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `lease` checked that the block lies in the arena. Nothing writes to it while the
        // lease lives: other leases and scratch do not overlap it (`lease` takes only what lies
        // beyond `LEASED`, and `release` never moves `LEASED` below a living lease), the host is
        // given only what lies beyond `LEASED`, and the crate's own changes in place go through
        // `&mut self`. The lease does not leave its thread.
        unsafe { bytes_of(self.packed) }
    }
}

impl Drop for ArenaBytes {
    fn drop(&mut self) {
        release(self.packed);
    }
}

impl AsRef<[u8]> for ArenaBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for ArenaBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for ArenaBytes {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for ArenaBytes {}

/// Text that the host wrote into the arena, borrowed from there.
///
/// Derefs to `str`, which is valid UTF-8 whatever the host wrote: the first deref replaces each
/// byte that does not belong there by `?`, in place. The check is linked only into flares that
/// read the text as `str`; it is made anew at each deref, so keep the `&str` where it is needed
/// often.
///
/// The bytes can be had without it: comparing with `==` looks at the bytes as they are, building
/// text out of pieces copies them as they are ([`crate::text`]), and [`into_bytes`] gives the bare
/// lease.
///
/// [`into_bytes`]: ArenaStr::into_bytes
#[repr(transparent)]
pub struct ArenaStr(ArenaBytes);

impl ArenaStr {
    /// The bytes as the host wrote them, without a check.
    pub fn into_bytes(self) -> ArenaBytes {
        self.0
    }

    /// The text; the same as the deref, spelt out.
    pub fn as_str(&self) -> &str {
        self
    }

    /// The bytes as they are, for the crate's own reading. They must not be handed out: the first
    /// deref changes them.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.0
    }
}

impl ArenaStr {
    /// The bytes, to be overwritten with text or zeros.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        self.0.as_mut()
    }
}

impl Deref for ArenaStr {
    type Target = str;

    fn deref(&self) -> &str {
        let (offset, len) = (
            offset_of(self.0.packed) as usize,
            len_of(self.0.packed) as usize,
        );
        let mut at = 0;
        loop {
            // SAFETY: as in `ArenaBytes::deref`. The borrow ends before the write below.
            let bytes = unsafe { bytes_of(self.0.packed) };
            at = text::valid_up_to(bytes, at);
            if at == len {
                // SAFETY: all of it has been found valid, up to the last repair and from there on.
                return unsafe { valid_str(bytes) };
            }
            // SAFETY: `at < len`, so the byte is the lease's. Nobody looks at it: all public ways
            // to a borrow of the bytes lead through here (`into_bytes` ends the lease), the first
            // of them repairs every byte, and from then on none is found that needs it.
            unsafe { *storage::memory().add(offset + at) = b'?' }
        }
    }
}

/// The bytes as text, if they are UTF-8.
#[inline(always)]
pub(crate) fn checked_str(bytes: &[u8]) -> Option<&str> {
    if text::valid_up_to(bytes, 0) < bytes.len() {
        return None;
    }
    // SAFETY: no byte of them is found invalid.
    Some(unsafe { valid_str(bytes) })
}

/// The bytes as text.
///
/// # Safety
///
/// [`text::valid_up_to`] has found all of them valid.
unsafe fn valid_str(bytes: &[u8]) -> &str {
    debug_assert!(core::str::from_utf8(bytes).is_ok());
    // SAFETY: `valid_up_to` lets whole characters through and nothing else: the bytes that the first
    // announces, in the shortest form, up to U+10FFFF and no surrogate. That it did is the caller's
    // promise.
    unsafe { core::str::from_utf8_unchecked(bytes) }
}

impl AsRef<str> for ArenaStr {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for ArenaStr {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for ArenaStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for ArenaStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Compares the bytes as they are: links no UTF-8 check.
impl<T: AsRef<str> + ?Sized> PartialEq<T> for ArenaStr {
    fn eq(&self, other: &T) -> bool {
        // First the other: it may be this very lease, and its deref may repair the bytes.
        let other = other.as_ref().as_bytes();
        *self.raw() == *other
    }
}

impl Eq for ArenaStr {}

/// Takes memory for the guest's heap, behind all leases, which it then is like one of; null if there
/// is no room.
#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test)))]
pub(crate) fn take(size: usize, align: usize) -> *mut u8 {
    // What the host allocated and never returned is given up.
    PENDING.set(0);
    let base = storage::memory() as usize;
    let leased = LEASED.get() as usize;
    // Blocks begin at multiples of 8 in any case. An address beyond the end of memory wraps around, and
    // back when the base is taken off it: the offset is right, and too large.
    let behind = base.wrapping_add(leased).wrapping_add(align - 1);
    let start = (behind & !(align - 1)).wrapping_sub(base);
    if start > top() as usize || size > top() as usize - start {
        return core::ptr::null_mut();
    }
    LEASED.set(block_end(start as u32, size as u32));
    count_lease();
    storage::memory().wrapping_add(start)
}

/// Takes memory of the guest's heap back.
///
/// # Safety
///
/// The block came from [`take`] with this size, and is not used any more.
#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test)))]
pub(crate) unsafe fn give_back(block: *mut u8, size: usize) {
    release(heap_block(block, size));
}

/// Makes a block of the guest's heap larger or smaller where it is, if it is the topmost and there
/// is room.
///
/// # Safety
///
/// The block came from [`take`] with the old size.
#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test)))]
pub(crate) unsafe fn resize(block: *mut u8, old: usize, new: usize) -> bool {
    PENDING.set(0);
    let packed = heap_block(block, old);
    let start = offset_of(packed);
    if LEASED.get() != block_end(start, old as u32) || new > (top() - start) as usize {
        return false;
    }
    LEASED.set(block_end(start, new as u32));
    true
}

#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test)))]
fn heap_block(block: *mut u8, size: usize) -> Packed {
    let address = storage::origin() + (block as usize - storage::memory() as usize) as u32;
    Packed::new(u64::from(address) << 32 | size as u64).unwrap_or(EMPTY)
}

/// Gives back the bytes of a block that is a part of another, or that has parts: its neighbours may
/// still live, so nothing is rolled back until nothing is alive.
fn release_part() {
    uncount_lease(|| {});
}

/// A lease on a part of what the host wrote into the arena: a key of [`Keys`].
///
/// Derefs to `str`. It may outlive the [`Keys`] that it came from; the space of all of them is free
/// again when the last one is dropped (and no other lease is alive).
#[repr(transparent)]
pub struct Key {
    packed: Packed,
    /// Keeps the lease on its thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        // SAFETY: `Keys::next` made it from a part of its block, to which nothing writes any more,
        // and checked that it is UTF-8. The block stays leased while a part of it lives:
        // `release_part` frees it only when nothing is alive.
        unsafe { valid_str(bytes_of(self.packed)) }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        release_part();
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: AsRef<str> + ?Sized> PartialEq<T> for Key {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Key {}

/// The keys of a store: an iterator over [`Key`]s.
///
/// It is a lease on the host's list, decoded where it lies. If that is not JSON, there are no keys;
/// if something else than a string is in it, the keys end there.
pub struct Keys {
    packed: Packed,
    /// The bracket or the comma before the next key.
    at: u32,
    /// Keeps the lease on its thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

#[cfg(any(feature = "spark", feature = "plasma"))]
impl Keys {
    /// The keys in a JSON array of strings, which is decoded where it lies; none if it is not JSON.
    pub(crate) fn new(json: ArenaBytes) -> Keys {
        let json = json::flatten_lease(json).filter(|json| json.first() == Some(&b'['));
        let json = json.unwrap_or_default();
        Keys {
            packed: ManuallyDrop::new(json).packed,
            at: 0,
            not_send: PhantomData,
        }
    }
}

#[cfg(any(feature = "spark", feature = "plasma"))]
impl Iterator for Keys {
    type Item = Key;

    fn next(&mut self) -> Option<Key> {
        // SAFETY: nothing writes to a block that has been flattened.
        let json = unsafe { bytes_of(self.packed) };
        // A bracket or a comma, then the key.
        let start = self.at + 2;
        let key = PackedSlice::new(json.get(self.at as usize + 1..)?);
        let key = json::string(key)?.get();
        let len = text::from_utf8(key)?.len();
        self.at = start + len as u32 + 1;
        let address = (self.packed.get() >> 32) + u64::from(start);
        let packed = Packed::new(address << 32 | len as u64)?;
        count_lease();
        Some(Key {
            packed,
            not_send: PhantomData,
        })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        release_part();
    }
}

/// Text being built at the top end of the free space, from its last byte to its first.
///
/// Backwards, because then one offset is the whole state: a number needs no buffer to turn its
/// digits around in, and nothing has to know its length beforehand. The offset is 0 once something
/// did not fit, and stays so.
///
/// A draft takes no space of its own: it writes between `LEASED` and `TOP` while nothing but pieces
/// of text run, which call neither the host nor the flare ([`Pieces`] is sealed). What is to outlive
/// the building is turned into scratch then.
///
/// It counts in addresses, as the host does; the arena's own words are offsets.
pub(crate) struct Draft(u32);

/// Writes bytes in front of `at`, if there is room; the new beginning, or 0 if there is not.
///
/// # Safety
///
/// The bytes are initialised and can be read. `at` is where a [`Draft`] begins.
#[inline(never)] // one copy for all pieces
unsafe fn prepend(at: u32, bytes: *const [u8]) -> u32 {
    // In 64 bits nothing overflows, wherever in memory the arena lies and however long the slice is.
    // (Two comparisons of 32 bits take 6 to 11 bytes more; the two words added in 32 bits, one more.)
    let floor = u64::from(storage::origin()) + u64::from(LEASED.get());
    if floor + bytes.len() as u64 > u64::from(at) {
        return 0;
    }
    let start = at - bytes.len() as u32;
    // SAFETY: `at` began as `TOP` and only went down, and `LEASED` is not above `start`: this is
    // free space, in which no lease and no text lies and into which no reference leads. The bytes may
    // lie there themselves (those of a growing text do).
    unsafe { core::ptr::copy(bytes.cast::<u8>(), at_address(start), bytes.len()) }
    start
}

/// Writes the bytes of a lease in front of `at` and gives the lease back: both in one call, which
/// saves 12 bytes for each lease that becomes part of a text.
#[inline] // one copy for all leases
fn prepend_lease(at: u32, lease: ArenaBytes) -> u32 {
    // SAFETY: a reference points to initialised bytes; `at` is the draft's.
    unsafe { prepend(at, &*lease) }
}

/// The address below which a draft must not write.
fn floor() -> u32 {
    storage::origin() + LEASED.get()
}

impl Sink for Draft {
    #[inline(always)]
    fn bytes(self, bytes: &[u8]) -> Draft {
        // SAFETY: a reference points to initialised bytes; `self.0` is the draft's.
        Draft(unsafe { prepend(self.0, bytes) })
    }

    #[inline(always)]
    fn lease(self, lease: ArenaBytes) -> Draft {
        Draft(prepend_lease(self.0, lease))
    }

    #[inline(always)]
    fn byte(self, byte: u8) -> Draft {
        if self.0 <= floor() {
            return Draft(0);
        }
        let start = self.0 - 1;
        // SAFETY: as in `prepend`.
        unsafe { *at_address(start) = byte }
        Draft(start)
    }
}

/// Where a draft begins that is to become scratch. What the host has allocated and never returned
/// is given up, so that it cannot return it any more and lease the scratch.
fn begin() -> u32 {
    PENDING.set(0);
    top()
}

/// Text that asks the host for some of its pieces: it grows upwards from where the leases end.
///
/// While the host is asked, the text counts as [`PENDING`](storage::PENDING), so that the host's
/// answer comes to lie behind it. Blocks begin at multiples of 8, so the answer is then moved down by
/// less than 8 bytes (by more if the host allocated something else before it). Between two questions
/// nothing but pieces of text run, as in a draft. So there is no lease, and nothing to count.
pub struct Growth {
    /// The offset at which the text ends; `FULL` once something did not fit, or was not answered.
    end: u32,
    /// Whether the text is empty and `PENDING` need not count it. (Known at compile time.)
    fresh: bool,
}

/// The end of a [`Growth`] that failed. No arena has an offset like that.
const FULL: u32 = u32::MAX;

/// The byte at an offset in the arena.
///
/// # Safety
///
/// The offset is at most `SIZE`.
unsafe fn at_offset(offset: u32) -> *mut u8 {
    // SAFETY: it is in the arena, or just behind it. (`at_address` would take 3 bytes more in
    // `examples/echo`: here the compiler makes the sum a part of the instruction.)
    unsafe { storage::memory().add(offset as usize) }
}

/// Writes bytes behind `end`, if there is room; the new end, or `FULL` if there is not.
///
/// # Safety
///
/// The bytes are initialised and can be read. `end` is that of a [`Growth`].
#[inline] // shared
unsafe fn append(end: u32, bytes: *const [u8]) -> u32 {
    // In 64 bits nothing overflows, not even from `FULL` on.
    if u64::from(end) + bytes.len() as u64 > u64::from(top()) {
        return FULL;
    }
    // SAFETY: the text began at `LEASED`, which can only have come down since it last was looked at,
    // and it ends below `top()`: behind it is free space, in which no lease and no text lies and into
    // which no reference leads. The bytes may lie there themselves (those of a draft do).
    unsafe { core::ptr::copy(bytes.cast::<u8>(), at_offset(end), bytes.len()) }
    end + bytes.len() as u32
}

/// Takes the answer that was kept as the rest of a growing text; the new end, or `FULL` if it is
/// nothing, or nothing that the host may return.
///
/// The answer comes through memory because then this function is of the type of `alloc`: each type of
/// its own costs 6 bytes, and the engine time (4 % of the cold start of `examples/echo`).
///
/// # Safety
///
/// `end` is that of a [`Growth`] and not `FULL`.
#[inline] // shared
unsafe fn append_answer(end: u32) -> u32 {
    note_refusal();
    // Whatever comes of it, the question is over: no space is taken any more.
    let (leased, pending) = (LEASED.get(), PENDING.get());
    PENDING.set(0);
    let (address, len) = (storage::answer_address(), storage::answer_len());
    if !is_pending((address, len), end, leased, pending) {
        return FULL;
    }
    // SAFETY: by `is_pending` the text does not end below `leased`, and the answer lies behind it and in
    // what is pending. So all of it is free space, in which no lease and no text lies and into which no
    // reference leads. The answer is moved down in it.
    unsafe { core::ptr::copy(at_address(address), at_offset(end), len as usize) }
    end + len
}

impl Growth {
    /// Asks the host and appends what it answers. `ask` calls it, once, and does nothing else.
    #[inline(always)]
    pub(crate) fn ask(self, ask: impl FnOnce() -> i64) -> Growth {
        if self.end == FULL {
            return self;
        }
        if !self.fresh {
            PENDING.set(self.end - LEASED.get());
        }
        storage::keep_answer(ask());
        Growth {
            // SAFETY: `end` is the text's, and not `FULL`.
            end: unsafe { append_answer(self.end) },
            fresh: false,
        }
    }

    /// Appends bytes.
    #[inline(always)]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Growth {
        // SAFETY: a reference points to initialised bytes.
        unsafe { self.raw(bytes) }
    }

    /// Appends the bytes of a lease, and gives it back.
    #[inline(always)]
    pub(crate) fn lease(self, lease: ArenaBytes) -> Growth {
        // SAFETY: the host has written the bytes. They are free space by now, but nothing is written
        // there before they are read: the text lies above all leases.
        unsafe { self.raw(abi::Bytes::raw(Built::from(lease))) }
    }

    /// Appends pieces that are written backwards: as a draft, which is then moved. One that reaches down
    /// into the text does not fit behind it.
    #[inline(always)]
    pub(crate) fn draft(self, pieces: impl Piece) -> Growth {
        match Draft::built(pieces) {
            // SAFETY: the draft has written the bytes.
            Some(draft) => unsafe { self.raw(abi::Bytes::raw(draft)) },
            None => Growth {
                end: FULL,
                fresh: false,
            },
        }
    }

    /// # Safety
    ///
    /// The bytes are initialised and can be read.
    #[inline(always)]
    unsafe fn raw(self, bytes: *const [u8]) -> Growth {
        Growth {
            // SAFETY: the caller's promise, and `end` is the text's.
            end: unsafe { append(self.end, bytes) },
            fresh: false,
        }
    }

    /// Builds `pieces` for a host call that follows at once.
    #[inline(always)]
    pub(crate) fn built(pieces: impl Piece) -> Option<Built> {
        let start = LEASED.get();
        let end = pieces.append_to(Growth {
            end: start,
            fresh: true,
        });
        match end.end {
            FULL => None,
            end => Some(Built {
                start: storage::origin() + start,
                end: storage::origin() + end,
            }),
        }
    }
}

/// What goes to the host in one call: what a draft or a growth has built, or a lease that was given
/// back for it. There may be no reference to it: it is free space or scratch that nobody else looks at,
/// and a host that allocates might write to it.
pub struct Built {
    start: u32,
    end: u32,
}

// SAFETY: a draft or a growth has written the bytes, or the host has; they lie in the arena, or are
// none.
unsafe impl abi::Bytes for Built {
    #[inline(always)]
    fn raw(self) -> *const [u8] {
        let len = self.end.wrapping_sub(self.start);
        core::ptr::slice_from_raw_parts(at_address(self.start), len as usize)
    }
}

/// Gives the lease back: its bytes are free space by the time the host reads them, and nothing comes
/// between that could write there.
impl From<ArenaBytes> for Built {
    #[inline(always)]
    fn from(lease: ArenaBytes) -> Built {
        Built::block(lease.packed)
    }
}

impl Built {
    /// What has been built and kept.
    fn of(text: &Text) -> Built {
        Built::block(text.packed)
    }

    #[inline(always)]
    fn block(packed: Packed) -> Built {
        let start = address_of(packed);
        Built {
            start,
            end: start.wrapping_add(len_of(packed)),
        }
    }
}

impl Draft {
    /// Builds `pieces` for a host call that follows at once.
    #[inline(always)]
    pub(crate) fn built(pieces: impl Piece) -> Option<Built> {
        let end = storage::origin() + top();
        match pieces.prepend_to(Draft(end)).0 {
            0 => None,
            start => Some(Built { start, end }),
        }
    }

    /// Builds `pieces` and hands them to `send`, which makes a host call that returns no data.
    /// What was built is gone afterwards.
    #[inline(always)]
    pub(crate) fn send<R>(
        pieces: impl Pieces,
        send: impl FnOnce(Built) -> R,
    ) -> Result<R, ArenaFull> {
        pieces.built().map(send).ok_or(ArenaFull)
    }

    /// Builds `pieces` and hands them to `call`, which makes a host call that returns data.
    /// What was built is gone afterwards.
    ///
    /// For the length of the call it is a text that is kept, so that the host can allocate only up
    /// to it; even a host that calls the flare meanwhile cannot get it freed.
    pub(crate) fn call(pieces: impl Pieces, call: impl FnOnce(Built) -> i64) -> Option<ArenaBytes> {
        lease(Draft::returned(pieces, call))
    }

    /// The same, but gives what the call returned.
    pub(crate) fn returned(pieces: impl Pieces, call: impl FnOnce(Built) -> i64) -> i64 {
        match Draft::keep(pieces) {
            Ok(text) => call(Built::of(&text)),
            Err(ArenaFull) => {
                REFUSED.set(1);
                0
            }
        }
    }

    /// Builds `pieces` and keeps them.
    pub(crate) fn keep(pieces: impl Pieces) -> Result<Text, ArenaFull> {
        let (start, end);
        if text::asks(&pieces) {
            let grown = Growth::built(pieces).ok_or(ArenaFull)?;
            end = storage::origin() + begin();
            // There is room where it is, and below it too; but while it was growing, a host that called the
            // flare may have had leases made there.
            // SAFETY: the growth has written the bytes; a draft begins at `end`.
            start = unsafe { prepend(end, abi::Bytes::raw(grown)) };
        } else {
            end = storage::origin() + begin();
            start = pieces.prepend_to(Draft(end)).0;
        }
        if start == 0 {
            return Err(ArenaFull);
        }
        // As with leases: an empty text holds nothing, so `TEXTS` cannot overflow.
        let mut packed = EMPTY;
        if start != end {
            packed = Packed::new(u64::from(start) << 32 | u64::from(end - start)).unwrap_or(EMPTY);
            SCRATCH.set(SIZE - (offset_of(packed) & !7));
            TEXTS.set(TEXTS.get() + 1);
        }
        Ok(Text {
            packed,
            not_send: PhantomData,
        })
    }
}

/// Text that the guest built in the arena's scratch, with [`text::build`](crate::text::build).
///
/// Derefs to the bytes. While it lives they stay where they are; dropping it gives the space back.
/// Like the leases on what the host wrote it is neither [`Send`] nor [`Sync`].
#[repr(transparent)]
pub struct Text {
    packed: Packed,
    /// Keeps the text on its thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl Text {
    /// The text as `str`, or `None` when a piece of it was not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        text::from_utf8(self)
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `keep` made the block from the draft's own bytes and turned it into scratch,
        // which no lease, draft or other text overlaps until `drop`. Nothing writes to it but
        // `deref_mut`, which borrows the text mutably.
        unsafe { bytes_of(self.packed) }
    }
}

impl DerefMut for Text {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the text is borrowed mutably.
        unsafe { bytes_of_mut(self.packed) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let (start, len) = (offset_of(self.packed), len_of(self.packed));
        if len == 0 {
            return;
        }
        let texts = TEXTS.get() - 1;
        TEXTS.set(texts);
        if texts == 0 {
            SCRATCH.set(0);
        } else if start & !7 == top() {
            SCRATCH.set(SIZE - block_end(start, len));
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => fmt::Debug::fmt(text, f),
            None => fmt::Debug::fmt(&**self, f),
        }
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Text {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Text {}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Writes into a block that [`guest_alloc`] gave, as the host does: for the in-memory host.
///
/// # Panics
///
/// When any of it is not in such a block, or the block has been leased or given up since.
#[cfg(all(not(target_family = "wasm"), any(test, feature = "testing")))]
pub(crate) fn host_write(address: i32, bytes: &[u8]) {
    let start = (address as u32).wrapping_sub(storage::origin()) as usize;
    let leased = LEASED.get() as usize;
    let end = leased + PENDING.get() as usize;
    assert!(
        start >= leased && start <= end && bytes.len() <= end - start,
        "the host writes only into what it has just allocated"
    );
    // SAFETY: the bytes lie behind all leases and below the scratch (`guest_alloc` sees to it), in
    // this thread's arena: no reference leads there, and `bytes` is none of the arena's.
    unsafe { core::ptr::copy(bytes.as_ptr(), storage::memory().add(start), bytes.len()) }
}

#[cfg(test)]
pub(crate) mod tests;
