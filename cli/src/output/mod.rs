//! What people and programs get to see: text or JSON lines on standard output, everything else on
//! standard error.

pub mod human;
pub mod table;

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::CliError;

pub use table::{Column, Table};

/// Standard output, as text or as one JSON object per line.
pub struct Output {
    json: bool,
    is_terminal: bool,
    width: usize,
    writer: Box<dyn Write + Send>,
}

impl Output {
    /// The process's standard output. Tables are cut to the terminal's width, and not at all when
    /// the output goes to a file or a pipe.
    #[must_use]
    pub fn stdout(json: bool) -> Self {
        let stdout = std::io::stdout();
        let is_terminal = stdout.is_terminal();
        let width = match terminal_size::terminal_size() {
            Some((width, _)) if is_terminal => usize::from(width.0),
            _ => usize::MAX,
        };
        Self {
            json,
            is_terminal,
            width,
            writer: Box::new(std::io::BufWriter::new(stdout)),
        }
    }

    /// An output that is neither a terminal nor the process's own.
    #[must_use]
    pub fn to_writer(json: bool, writer: Box<dyn Write + Send>) -> Self {
        Self {
            json,
            is_terminal: false,
            width: usize::MAX,
            writer,
        }
    }

    /// True when JSON was asked for.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// True when a person looks at the output directly.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes one JSON object as a line, when JSON was asked for.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn object(&mut self, object: &impl Serialize) -> Result<(), CliError> {
        if !self.json {
            return Ok(());
        }
        serde_json::to_writer(&mut self.writer, object)
            .map_err(|error| CliError::Output(error.into()))?;
        self.writer.write_all(b"\n").map_err(CliError::Output)
    }

    /// Writes one line of text, unless JSON was asked for.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        writeln!(self.writer, "{}", text.as_ref()).map_err(CliError::Output)
    }

    /// Writes one row of a table, unless JSON was asked for.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn row<const N: usize>(
        &mut self,
        table: &mut Table<N>,
        cells: [String; N],
    ) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        let text = table.render(&cells, self.width);
        self.writer
            .write_all(text.as_bytes())
            .map_err(CliError::Output)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.writer.write_all(bytes).map_err(CliError::Output)
    }

    /// Hands everything on to the operating system.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn flush(&mut self) -> Result<(), CliError> {
        self.writer.flush().map_err(CliError::Output)
    }
}
