//! Functions made up at random, of the forms that the rules look for and of those that nearly are: what they
//! return, what they leave in memory, and whether they trap, is the same before and after.
//!
//! `FLARON_SLIM_MODULES=100000 cargo test --release -p flaron-size --lib random` tries more of them.

use wasmi::{Config, Engine, Linker, Module, Store, TrapCode, Val};

use crate::wasm::peephole::shorten;
use crate::wasm::shape::shape;

/// Instructions that a run may take, and what the interpreter takes to translate them. (A random loop may have no end.)
const FUEL: u64 = 50_000;

struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// Locals 0 to 3 are numbers of 32 bits, 4 and 5 of 64, and 6 of 64 of which the high half is 0.
    fn narrow(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.below(3) {
                0 => format!(
                    "(i32.const {})",
                    self.of(&["0", "1", "7", "200", "255", "-1"])
                ),
                _ => format!("(local.get {})", self.below(4)),
            };
        }
        let next = depth - 1;
        match self.below(8) {
            0 => format!("(i32.eqz {})", self.narrow(next)),
            1 => format!("(i32.wrap_i64 {})", self.wide(next)),
            2 => format!(
                "(i32.load8_u (i32.and {} (i32.const 63)))",
                self.narrow(next)
            ),
            3 => format!("(i32.load (i32.const {}))", self.below(64)),
            4 => {
                let compare = self.of(&["i32.eq", "i32.ge_u", "i32.lt_s", "i32.ne", "i32.gt_u"]);
                format!("({compare} {} {})", self.narrow(next), self.narrow(next))
            }
            5 => format!("(local.tee {} {})", self.below(4), self.narrow(next)),
            _ => {
                let what = self.of(&["i32.add", "i32.sub", "i32.and"]);
                format!("({what} {} {})", self.narrow(next), self.narrow(next))
            }
        }
    }

    fn wide(&mut self, depth: usize) -> String {
        if depth == 0 {
            return format!("(local.get {})", 4 + self.below(3));
        }
        match self.below(4) {
            0 => format!("(i64.extend_i32_u {})", self.narrow(depth - 1)),
            1 => format!("(i64.and {} (i64.const 0xffffffff))", self.wide(depth - 1)),
            2 => format!(
                "(i64.const {})",
                self.of(&["0x500000000", "0xffffffff", "3", "-4"])
            ),
            _ => format!("(local.tee {} {})", 4 + self.below(2), self.wide(depth - 1)),
        }
    }

    /// Statements, inside of so many blocks.
    fn body(&mut self, depth: usize, around: usize) -> String {
        (0..self.below(4))
            .map(|_| self.statement(depth, around))
            .collect()
    }

    fn branch(&mut self, around: usize) -> String {
        let label = self.below(around + 1);
        match self.below(3) {
            0 => format!("(br {label})"),
            1 => format!("(br_if {label} (i32.eqz {}))", self.narrow(1)),
            _ => format!("(br_if {label} {})", self.narrow(2)),
        }
    }

    fn statement(&mut self, depth: usize, around: usize) -> String {
        if depth == 0 {
            return match self.below(4) {
                0 => format!(
                    "(i32.store (i32.const {}) {})",
                    self.below(60),
                    self.narrow(1)
                ),
                1 => format!("(local.set {} {})", 4 + self.below(2), self.wide(2)),
                2 => self.branch(around),
                _ => format!("(local.set {} {})", self.below(4), self.narrow(2)),
            };
        }
        let next = depth - 1;
        let (x, y) = (self.below(4), self.below(4));
        // Few loops: most have no end.
        let forms = if self.below(8) == 0 { 10 } else { 9 };
        match self.below(forms) {
            // A result that is one constant or another.
            0 => {
                let (a, b) = (self.below(300), self.below(300));
                let condition = self.narrow(1);
                format!(
                    "(local.set {x} (i32.const {a})) (block {} (br_if 0 {condition}) {} (local.set {x} (i32.const {b})))
                     (local.set {y} (i32.add (local.get {x}) (local.get {y})))",
                    self.body(next, around + 1),
                    self.body(next, around + 1)
                )
            }
            // An `if` that leaves the block.
            1 | 2 => format!(
                "(block {} (if {} (then {} (br 1))) {})",
                self.body(next, around + 1),
                self.narrow(1),
                self.body(next, around + 2),
                self.body(next, around + 1)
            ),
            // A block that is left at once.
            3 => format!(
                "(block {} (br_if 0 {}) {})",
                self.body(next, around + 1),
                self.narrow(2),
                self.body(next, around + 1)
            ),
            // A second look.
            4 => {
                let (least, less) = (self.below(9), self.below(9));
                let second = if self.below(2) == 0 {
                    format!(
                        "(br_if {} (i32.eqz (local.get {x})))",
                        self.below(around + 1)
                    )
                } else {
                    format!(
                        "(if (local.get {x}) (then {}) (else {}))",
                        self.body(next, around + 1),
                        self.body(next, around + 1)
                    )
                };
                format!(
                    "(local.set {x} (i32.const 0))
                     (if (i32.ge_u (local.get {y}) (i32.const {least}))
                        (then (local.set {x} (i32.sub (local.get {y}) (i32.const {less}))) {}))
                     {second}",
                    self.body(next, around + 1)
                )
            }
            // A low half.
            5 => format!(
                "(local.set {x} (i32.wrap_i64 (local.tee 4 {}))) {} (local.set {y} (i32.wrap_i64 (local.get 4)))",
                self.wide(1),
                self.body(next, around)
            ),
            // A copy of something, or of nothing.
            6 => format!(
                "(if (local.get {x}) (then (memory.copy (i32.const 8) (local.get {y}) (local.get {x}))))"
            ),
            // A local that has nothing but low halves.
            7 => format!(
                "(if (i64.eqz (local.tee 6 (i64.and (local.get 4) (i64.const 0xffffffff)))) (then {}))
                 (local.set {x} (i32.wrap_i64 (local.get {})))",
                self.body(next, around + 1),
                4 + self.below(3)
            ),
            9 => format!("(loop {})", self.body(next, around + 1)),
            // Something else lies on the stack meanwhile.
            _ => format!(
                "{} {} (local.set {x})",
                self.narrow(1),
                self.body(next, around)
            ),
        }
    }
}

/// What comes of a function: its results and memory, or a trap. Nothing, if it takes too long.
fn outcome(engine: &Engine, wasm: &[u8], arguments: [i32; 2]) -> Option<String> {
    let mut store = Store::new(engine, ());
    store.set_fuel(FUEL).unwrap();
    let module = Module::new(engine, wasm).unwrap();
    let instance = Linker::new(engine)
        .instantiate_and_start(&mut store, &module)
        .unwrap();
    let mut results = [const { Val::I32(0) }; 6];
    let function = instance.get_func(&store, "f").unwrap();
    let ended = function.call(&mut store, &arguments.map(Val::I32), &mut results);
    let memory = instance.get_memory(&store, "memory").unwrap();
    let memory = &memory.data(&store)[..320];
    match ended {
        Ok(()) => Some(format!("{results:?} {memory:?}")),
        Err(error) if error.as_trap_code() == Some(TrapCode::OutOfFuel) => None,
        Err(error) => Some(format!("{error} {memory:?}")),
    }
}

#[test]
fn random_functions_do_the_same_before_and_after() {
    let modules: u64 =
        std::env::var("FLARON_SLIM_MODULES").map_or(120, |count| count.parse().unwrap());
    let engine = Engine::new(Config::default().consume_fuel(true));
    let (mut changed, mut compared) = (0_u64, 0_u64);
    for seed in 0..modules {
        let mut random = Random(seed);
        let mut body = String::new();
        for _ in 0..4 {
            body += &random.statement(3, 0);
        }
        let all: String = (0..6).map(|local| format!("(local.get {local})")).collect();
        let wat = format!(
            r#"(module (memory (export "memory") 1) (data (i32.const 0) "\00\01\ff\c0some data\f5\00")
                (func (export "f") (param i32 i32) (result i32 i32 i32 i32 i64 i64)
                    (local i32 i32 i64 i64 i64) (block {body}) {all}))"#
        );
        // Some take more from the stack than a block has.
        let Ok(before) = wat::parse_str(&wat) else {
            panic!("seed {seed}: {wat}")
        };
        if wasmparser::validate(&before).is_err() {
            continue;
        }
        let after = shorten(&shape(&before).unwrap()).unwrap();
        if after == before {
            continue;
        }
        changed += 1;
        for arguments in [
            [0, 0],
            [1, 8],
            [8, 1],
            [200, 7],
            [-1, 255],
            [0, 1_000_000],
            [6, -70_000],
        ] {
            let [expected, got] = [&before, &after].map(|wasm| outcome(&engine, wasm, arguments));
            if let (Some(expected), Some(got)) = (expected, got) {
                compared += 1;
                assert_eq!(expected, got, "seed {seed}, {arguments:?}: {wat}");
            }
        }
    }
    assert!(
        changed > modules / 4 && compared > changed,
        "{changed} {compared}"
    );
}
