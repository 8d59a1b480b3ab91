//! The program `timbre`.

use std::process::ExitCode;

use clap::Parser;
use timbre::terminal::Timbre;

fn main() -> ExitCode {
    let timbre = Timbre::parse();
    for (name, value) in timbre.variables() {
        #[expect(
            unsafe_code,
            reason = "what multiplies matrices takes its number of threads from nowhere else"
        )]
        // SAFETY: no other thread has been started yet, so none reads the environment.
        unsafe {
            std::env::set_var(name, value);
        }
    }
    timbre.run()
}
