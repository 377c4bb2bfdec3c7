//! Answers of many files.

use prost::Message;

use crate::{
    conn::Conn,
    error::Stop,
    proto::{FileInfo, FileList, response::Event},
};

const FILES: usize = 1000;
/// Long paths and extended attributes end a page earlier: a frame has its limit.
const BYTES: usize = 1 << 20;

/// Files on their way to the host.
#[derive(Default)]
pub struct Page {
    files: Vec<FileInfo>,
    bytes: usize,
}

impl Page {
    pub fn add(&mut self, conn: &mut Conn, info: FileInfo) -> Result<(), Stop> {
        let size = info.encoded_len();
        if self.files.len() == FILES || self.bytes + size > BYTES {
            self.send(conn)?;
        }
        self.bytes += size;
        self.files.push(info);
        Ok(())
    }

    /// Sends what is there, if anything.
    pub fn send(&mut self, conn: &mut Conn) -> Result<(), Stop> {
        if self.files.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        conn.queue(Event::FileList(FileList { files: std::mem::take(&mut self.files) }));
        conn.flush()
    }
}
