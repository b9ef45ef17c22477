//! A folder that is removed when it is dropped.

use std::path::{Path, PathBuf};

/// A new folder below the system's folder for temporary files.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a folder.
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("task-center-{}", unique()));
        std::fs::create_dir(&path).expect("the system's temporary folder takes a folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The last 40 lines of each file whose name ends with `.log`, below its path.
    pub fn logs(&self) -> String {
        let entries = std::fs::read_dir(&self.0).expect("the folder is there");
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "log"));
        files.sort();
        let end = |path: &PathBuf| format!("--- {}\n{}", path.display(), tail(path));
        files.iter().map(end).collect::<Vec<_>>().join("\n")
    }

    /// Keeps the folder for good if the variable `KEEP_LOGS` is set; removes it otherwise.
    pub fn keep_if_wanted(self) {
        if std::env::var_os("KEEP_LOGS").is_some() {
            eprintln!("kept: {}", self.0.display());
            std::mem::forget(self);
        }
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

/// The last 40 lines of a log.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A word that nothing else on this machine is named by: lower case letters, digits and `_`.
pub fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}_{}_{number}", since.as_millis(), std::process::id())
}
