//! The results as tables, the targets, and the plot.

use std::fmt::Write;
use std::fs;

use wasmtime::Result;

use crate::end_to_end::{self, Rate};
use crate::flares;
use crate::micro::{self, Micro, SIZES};
use crate::speed::{self, Pair, Side};

/// The results of one run.
pub struct Report {
    machine: String,
    rustc: String,
    wasmtime: String,
    build: String,
    pairs: Vec<Pair>,
    rates: Vec<Rate>,
    /// Flares that are not run on the edge, and why.
    failures: Vec<String>,
    micro: Vec<Micro>,
}

/// The columns of the plot: name, colour, and the quantity that should be lower.
type Series = (&'static str, &'static str, fn(&Side) -> f64);
const SERIES: [Series; 3] = [
    ("cold start on one core", "#c2410c", Side::cold_start_alone),
    ("instructions", "#1d4ed8", |side| side.fuel as f64),
    ("memory", "#4d7c0f", |side| side.memory as f64),
];

impl Report {
    /// Builds and measures everything. `quick` measures too little for good numbers, but all of it.
    ///
    /// # Errors
    ///
    /// When a flare cannot be built or fails.
    pub fn measure(quick: bool) -> Result<Report> {
        let modules = speed::build()?;
        let mut pairs = Vec::new();
        let mut rates = Vec::new();
        let mut failures = Vec::new();
        for modules in &modules {
            eprintln!("measuring {}", modules.name);
            pairs.push(speed::measure(modules, quick)?);
            match end_to_end::measure(modules, quick) {
                Ok(rate) => rates.extend(rate),
                Err(error) => failures.push(format!("{}: {error:#}", modules.name)),
            }
        }
        eprintln!("measuring the loops");
        let micro = micro::run(quick);
        Ok(Report {
            machine: machine(),
            rustc: flares::rustc_version()?,
            wasmtime: flares::wasmtime_version()?,
            build: build(),
            pairs,
            rates,
            failures,
            micro,
        })
    }

    /// Writes `RESULTS.md` and its plot.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn write(&self) -> Result<()> {
        let folder = flares::root().join("benches");
        fs::write(folder.join("RESULTS.md"), self.markdown())?;
        fs::write(folder.join("results.svg"), self.svg())?;
        Ok(())
    }

    /// All tables, as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "# Results\n\n\
             Written by `cargo run --profile server -p flaron-benches -- report`; \
             [README.md](README.md) tells what is measured and how.\n\n\
             - Machine: {}\n- Compiler: {}\n- Engine: wasmtime {}\n- Tools built as: {}\n\
             - Published: {}\n\n\
             ![How many times less our flares need](results.svg)\n\n",
            self.machine,
            self.rustc,
            self.wasmtime,
            self.build,
            flares::PUBLISHED
        );
        self.targets(&mut out);
        self.flares(&mut out);
        self.rates(&mut out);
        self.micro(&mut out);
        out
    }

    fn targets(&self, out: &mut String) {
        out.push_str(
            "## Targets\n\nTimes less than the published SDK's, unless it says something else.\n\n\
             | target | measured | |\n|---|--:|---|\n",
        );
        let mut row = |target: &str, measured: String, holds: bool| {
            let holds = if holds { "holds" } else { "**missed**" };
            let _ = writeln!(out, "| {target} | {measured} | {holds} |");
        };
        let starts = [("echo", 11.0), ("secret-jwt", 20.0), ("beam-json", 20.0)];
        for (name, least) in starts {
            if let Some(pair) = self.pair(name) {
                let ratio = pair.times_less(Side::cold_start_alone);
                let target = format!("cold start of {name} on one core, at least {least}");
                row(&target, format!("{ratio:.1}"), ratio >= least);
                let ratio = pair.times_less(Side::cold_start);
                let target = format!("cold start of {name} on all cores, at least {least}");
                row(&target, format!("{ratio:.1}"), ratio >= least);
            }
        }
        if let Some(pair) = self.pair("hello") {
            // The modules hardly differ here, and five percent is within the clock's resolution.
            let ratio = pair.times_less(Side::cold_start_alone);
            let target = "cold start of hello on one core, no worse (within 5%)";
            row(target, format!("{ratio:.2}"), ratio >= 0.95);
        }
        for pair in &self.pairs {
            let ratio = pair.times_less(|side| side.fuel as f64);
            let (least, what) = match &*pair.name {
                "hello" => (1.0, ""),
                "beam-json" => (2.0, " with a list of 1 KiB"),
                _ => (5.0, ""),
            };
            let target = format!("instructions of {}{what}, at least {least}", pair.name);
            row(&target, format!("{ratio:.1}"), ratio >= least);
            if pair.name == "beam-json" {
                let ratio = pair.times_less(|side| side.fuel_echo as f64);
                let target =
                    "instructions of beam-json with the 17 bytes that it posts, at least 2";
                row(target, format!("{ratio:.1}"), ratio >= 2.0);
            }
        }
        for pair in &self.pairs {
            let ratio = pair.times_less(|side| side.memory as f64);
            let target = format!("memory of {}, at least 3", pair.name);
            row(&target, format!("{ratio:.1}"), ratio >= 3.0);
        }
        let (growth, of) = self.growth();
        let target = "time for a byte, 200 KiB to 4 KiB, at most 2 in every loop";
        row(target, format!("{growth:.2} ({of})"), growth <= 2.0);
        out.push('\n');
    }

    fn pair(&self, name: &str) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.name == name)
    }

    /// The largest ratio of the time per byte in a long text to that in a short one. (If the time is
    /// linear it is 1, apart from cache effects.)
    fn growth(&self) -> (f64, String) {
        let per_byte = |row: &Micro| row.ours / row.bytes as f64;
        let mut most = (0.0, String::new());
        for long in self.micro.iter().filter(|row| row.bytes == 200 << 10) {
            let short = self
                .micro
                .iter()
                .find(|row| (row.job, row.text, row.bytes) == (long.job, long.text, 4 << 10));
            if let Some(short) = short {
                let growth = per_byte(long) / per_byte(short);
                if growth > most.0 {
                    most = (growth, format!("{}, {}", long.job, long.text));
                }
            }
        }
        most
    }

    fn flares(&self, out: &mut String) {
        out.push_str(
            "## The flares\n\nOurs / published, and how many times less ours is. A cold start is \
             compiling and instantiating; a module's functions are divided among the cores.\n\n\
             | flare | module, bytes | | cold start on one core, ms | | on all, ms | | \
             instantiate, µs | | invoke, µs | | instructions | | memory, KiB | |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for Pair {
            name,
            ours,
            published,
        } in &self.pairs
        {
            let cells = [
                both(ours.bytes as f64, published.bytes as f64, 0),
                both(
                    ours.cold_start_alone() / 1e6,
                    published.cold_start_alone() / 1e6,
                    2,
                ),
                both(ours.cold_start() / 1e6, published.cold_start() / 1e6, 2),
                both(ours.instantiate / 1e3, published.instantiate / 1e3, 1),
                both(ours.invoke / 1e3, published.invoke / 1e3, 2),
                both(ours.fuel as f64, published.fuel as f64, 0),
                both(
                    ours.memory as f64 / 1024.0,
                    published.memory as f64 / 1024.0,
                    0,
                ),
            ];
            let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
        }
        out.push('\n');
    }

    fn rates(&self, out: &mut String) {
        let _ = write!(
            out,
            "## End to end\n\nRequests per second through the local edge over loopback, on {} \
             connections; the client is on the same machine. Flares that fetch, and those of \
             WebSockets, are left out.\n\n\
             | flare | ours | published | times as many |\n|---|--:|--:|--:|\n",
            end_to_end::CONNECTIONS
        );
        for Rate {
            name,
            ours,
            published,
        } in &self.rates
        {
            let times = ours / published;
            let _ = writeln!(out, "| {name} | {ours:.0} | {published:.0} | {times:.2} |");
        }
        for failure in &self.failures {
            let failure = failure.split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = write!(out, "\nNot measured: {failure}\n");
        }
        out.push('\n');
    }

    fn micro(&self, out: &mut String) {
        out.push_str(
            "## The loops, natively\n\nOur time divided by the other's, by the length of the text; \
             and what a byte takes us, in nanoseconds.\n\n| job | text |",
        );
        for bytes in SIZES {
            let _ = write!(out, " {} |", length(bytes));
        }
        out.push_str(" ns/byte at 4 KiB | at 200 KiB |\n|---|---|");
        out.push_str(&"--:|".repeat(SIZES.len() + 2));
        out.push('\n');
        for rows in self
            .micro
            .chunk_by(|a, b| (a.job, a.text) == (b.job, b.text))
        {
            let _ = write!(
                out,
                "| {}, to {} | {} |",
                rows[0].job, rows[0].other, rows[0].text
            );
            for row in rows {
                let _ = write!(out, " {:.2} |", row.ours / row.theirs);
            }
            for bytes in [4 << 10, 200 << 10] {
                if let Some(row) = rows.iter().find(|row| row.bytes == bytes) {
                    let _ = write!(out, " {:.2} |", row.ours / bytes as f64);
                }
            }
            out.push('\n');
        }
    }

    /// The plot: bars on a logarithmic scale.
    pub fn svg(&self) -> String {
        const LEFT: f64 = 130.0;
        const WIDTH: f64 = 600.0;
        const BAR: f64 = 13.0;
        let most = self
            .pairs
            .iter()
            .flat_map(|pair| SERIES.map(|(_, _, of)| pair.times_less(of)))
            .fold(10.0, f64::max);
        // From one half, so that a regression fits as well, to the next power of ten.
        let (low, high) = (0.5_f64.log10(), most.log10().ceil());
        let at = |times: f64| LEFT + (times.max(0.5).log10() - low) / (high - low) * WIDTH;
        let one = at(1.0);
        let group = BAR * (SERIES.len() as f64 + 1.0);
        let bottom = 60.0 + group * self.pairs.len() as f64;
        let (width, height) = (LEFT + WIDTH + 70.0, bottom + 30.0);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"8\" y=\"20\" font-size=\"14\">How many times less our flares need than those \
             of {} (logarithmic; right is better)</text>\n",
            flares::PUBLISHED
        );
        let mut power = 0;
        while f64::from(power) <= high {
            let x = at(10_f64.powi(power));
            let label = 10_u64.pow(power as u32);
            let _ = write!(
                out,
                "<line x1=\"{x:.1}\" y1=\"50\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" stroke=\"#ccc\"/>\n\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>\n",
                bottom + 18.0
            );
            power += 1;
        }
        for (index, (name, colour, _)) in SERIES.iter().enumerate() {
            let x = LEFT + 190.0 * index as f64;
            let _ = write!(
                out,
                "<rect x=\"{x}\" y=\"31\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\n\
                 <text x=\"{}\" y=\"41\">{name}</text>\n",
                x + 18.0
            );
        }
        for (index, pair) in self.pairs.iter().enumerate() {
            let top = 58.0 + group * index as f64;
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                top + 1.9 * BAR,
                pair.name
            );
            for (bar, (_, colour, of)) in SERIES.iter().enumerate() {
                let times = pair.times_less(*of);
                let (x, y) = (at(times), top + BAR * bar as f64);
                let _ = write!(
                    out,
                    "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>\n\
                     <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\">{times:.1}</text>\n",
                    one.min(x),
                    (x - one).abs(),
                    BAR - 2.0,
                    one.max(x) + 4.0,
                    y + 9.5
                );
            }
        }
        out.push_str("</svg>\n");
        out
    }
}

/// Two cells: both numbers, and the factor between them.
fn both(ours: f64, published: f64, digits: usize) -> String {
    let times = published / ours;
    format!("{ours:.digits$} / {published:.digits$} | {times:.1}")
}

fn length(bytes: usize) -> String {
    if bytes < 1 << 10 {
        format!("{bytes} B")
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

/// The processor, and how many threads it has.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unnamed processor", |(_, name)| name.trim());
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{model}, {threads} threads, {os} {arch}{}", load())
}

/// The load average, where the system has one: under load the numbers mean less.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    match load.split(' ').next() {
        Some(load) if !load.is_empty() => format!("; load average {load}"),
        _ => String::new(),
    }
}

/// How this program, and the engine in it, was built.
fn build() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .and_then(|folder| folder.file_name())
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    match &*folder {
        "debug" => {
            "`dev`, so the engine is not optimised: compiling takes it several times as long \
                    as it should, for both sides"
                .to_owned()
        }
        "release" => "`release` or `bench`".to_owned(),
        profile => format!("`{profile}`"),
    }
}
