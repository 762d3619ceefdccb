//! `versus-worker`: the reference worker by itself, for images and Lambda packages.

fn main() -> std::process::ExitCode {
    worker::main()
}
