//! `thrumask models` against a hub in this process, and on files.

mod files;
mod pull;
pub mod server;
