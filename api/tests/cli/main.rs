//! What the commands do. Each test runs the real program on an `SQLite` file in a folder of its
//! own.

mod accounts;
mod by_hand;
mod channels;
mod operator;
mod process;
mod serving;
mod tasks;
