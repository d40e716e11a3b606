//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::format::parse_bytes;
use flaron_build::table::Format;

/// What a flare's bytes are made of, and whether it has grown.
///
/// Without a command: builds every example flare in release, with only the features it asks
/// for, and prints what it weighs beside its budget and the accepted baseline.
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
    /// Fail if a flare is over its budget, or differs from the baseline under the same rustc
    #[arg(long, conflicts_with = "bless")]
    pub check: bool,
    /// Accept the sizes as they are: write size-report/baseline.toml
    #[arg(long)]
    pub bless: bool,
    /// Only this flare (may be given again)
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
    /// What a flare's bytes are: functions by size, data, imports, exports
    Why {
        /// An example flare, or a .wasm file
        subject: String,
        /// Of the flare after wasm-opt
        #[arg(long)]
        opt: bool,
    },
    /// What grew, function by function
    #[command(
        override_usage = "cargo size diff A.wasm B.wasm\n       cargo size diff REV [FLARE]..."
    )]
    Diff {
        /// A .wasm file, or a git revision to build the example flares of
        before: String,
        /// Another .wasm file, or the flares to compare (all, if none is named)
        after: Vec<String>,
    },
    /// What each public function of the SDK costs a flare that calls only it
    Prices {
        /// Write size-report/PRICES.md
        #[arg(long, conflicts_with = "check")]
        write: bool,
        /// Fail if size-report/PRICES.md is not current
        #[arg(long)]
        check: bool,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// What idioms of the standard library cost a flare, and what costs less
    Idioms {
        /// Write the table into docs/writing-small-flares.md
        #[arg(long, conflicts_with = "check")]
        write: bool,
        /// Fail if the table there is not current
        #[arg(long)]
        check: bool,
    },
    /// Hold any .wasm to a budget, to a baseline, or to both
    Check {
        /// The .wasm; several may be given
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Bytes the file may have: 2048, 2KiB, 2kB
        #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
        budget: Option<u64>,
        /// Bytes it may have after wasm-opt -Oz
        #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
        opt_budget: Option<u64>,
        /// Pages of 64 KiB its initial memory may have
        #[arg(long, value_name = "PAGES")]
        max_pages: Option<u64>,
        /// Measure after wasm-opt -Oz too
        #[arg(long)]
        opt: bool,
        /// The sizes accepted last; a size that differs fails, under the same rustc
        #[arg(long, value_name = "FILE")]
        baseline: Option<PathBuf>,
        /// Accept the sizes as they are: write the baseline
        #[arg(long, requires = "baseline")]
        bless: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Our flares beside the same flares written by hand, and what more they weigh
    Floors {
        /// Fail if a flare is larger, in terms of its floor, than size-report/floors.toml allows
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Make a flare smaller, and prove that it still does the same
    ///
    /// Removes what no host looks at, moves words of memory to Wasm globals, runs wasm-opt where there is
    /// one, and shortens constants. Then both modules are run beside the same made-up host; one that
    /// does something else is not written.
    Slim {
        /// The .wasm, which is written anew; several may be given
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Write the result here instead
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Leave words of memory where they are
        #[arg(long)]
        keep_words: bool,
        /// Fail if wasm-opt is not here
        #[arg(long)]
        require_opt: bool,
    },
    /// Our flares beside the same flares made with the other SDKs
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
