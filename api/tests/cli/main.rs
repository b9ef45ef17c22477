//! What the commands do: the real program, on an `SQLite` file in a folder of its own.

mod accounts;
mod books;
mod channels;
mod operator;
mod process;
mod serving;
