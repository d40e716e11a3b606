//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::format::parse_bytes;
use flaron_build::table::Format;

/// Show what a flare's bytes are made of, and whether it has grown.
///
/// Without a command: builds every example flare in release mode, with only the features it asks for, and
/// prints its size next to its budget and the accepted baseline.
#[derive(Parser)]
#[command(
    name = "flaron-size",
    bin_name = "cargo size",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub report: ReportArgs,
    /// The checkout of the repository, if not the one around the current directory
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Args)]
pub struct ReportArgs {
    /// Fail if a flare exceeds its budget, or differs from the baseline with the same rustc
    #[arg(long, conflicts_with = "bless")]
    pub check: bool,
    /// Accept the current sizes: write size-report/baseline.toml
    #[arg(long)]
    pub bless: bool,
    /// Only this flare; may be repeated
    #[arg(long = "flare", value_name = "NAME")]
    pub flares: Vec<String>,
    /// Fail if wasm-opt is not installed, so that CI cannot pass without it by accident
    #[arg(long)]
    pub require_opt: bool,
    #[command(flatten)]
    pub output: Output,
    /// Write a chart of the sizes
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

#[derive(Args)]
pub struct Output {
    /// Print JSON, for programs
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print Markdown, for a pull request
    #[arg(long)]
    pub markdown: bool,
}

impl Output {
    /// How tables are written.
    pub fn format(&self) -> Format {
        if self.markdown {
            Format::Markdown
        } else {
            Format::Text
        }
    }
}

#[derive(Subcommand)]
pub enum Command {
    /// Show what a flare's bytes are: functions by size, data, imports, exports
    Why {
        /// An example flare, or a .wasm file
        subject: String,
        /// Show the flare after wasm-opt
        #[arg(long)]
        opt: bool,
    },
    /// Show what grew, function by function
    #[command(
        override_usage = "cargo size diff A.wasm B.wasm\n       cargo size diff REV [FLARE]..."
    )]
    Diff {
        /// A .wasm file, or a git revision to build the example flares of
        before: String,
        /// Another .wasm file, or the flares to compare (default: all)
        after: Vec<String>,
    },
    /// Show what each public SDK function costs a flare that calls nothing else
    Prices {
        /// Write size-report/PRICES.md
        #[arg(long, conflicts_with = "check")]
        write: bool,
        /// Fail if size-report/PRICES.md is out of date
        #[arg(long)]
        check: bool,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show what standard-library idioms cost a flare, and what costs less
    Idioms {
        /// Write the table into docs/writing-small-flares.md
        #[arg(long, conflicts_with = "check")]
        write: bool,
        /// Fail if that table is out of date
        #[arg(long)]
        check: bool,
    },
    /// Check any .wasm against a budget, a baseline, or both
    Check {
        /// The .wasm; several may be given
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The maximum size in bytes: 2048, 2KiB, 2kB
        #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
        budget: Option<u64>,
        /// The maximum size after wasm-opt -Oz
        #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
        opt_budget: Option<u64>,
        /// The maximum initial memory, in pages of 64 KiB
        #[arg(long, value_name = "PAGES")]
        max_pages: Option<u64>,
        /// Measure after wasm-opt -Oz too
        #[arg(long)]
        opt: bool,
        /// The accepted sizes; with the same rustc, a different size fails
        #[arg(long, value_name = "FILE")]
        baseline: Option<PathBuf>,
        /// Accept the current sizes: write the baseline
        #[arg(long, requires = "baseline")]
        bless: bool,
        /// Show the sizes even if there is nothing to check them against
        #[arg(long)]
        measure: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Compare our flares with the same flares written by hand
    Floors {
        /// Fail if a flare is larger, relative to its floor, than size-report/floors.toml allows
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Make a flare smaller, and test that it still does the same
    ///
    /// Removes what no host reads, moves words of memory to Wasm globals, runs wasm-opt if it is installed,
    /// and shortens blocks and constants. Then it runs both modules with the same simulated host, and writes
    /// the result only if they behave the same.
    Slim {
        /// The .wasm, which is overwritten; several may be given
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Write the result to this file instead
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Do not move words of memory to globals
        #[arg(long)]
        keep_words: bool,
        /// Fail if wasm-opt is not installed
        #[arg(long)]
        require_opt: bool,
    },
    /// Compare our flares with the same flares made with the other SDKs
    Peers {
        #[command(flatten)]
        output: Output,
        /// Write a chart of the comparison
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Fetch Binaryen's wasm-opt through npm, into size-report/node_modules
    Setup,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
