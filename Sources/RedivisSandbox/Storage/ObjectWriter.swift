import Crypto
import Glibc

/// Bytes of one object on their way to its file, or to nowhere, with their MD5 as they come.
///
/// Blocks of zeros are not written: they become holes, so that a sparse file of gigabytes costs no disk.
struct ObjectWriter {
    /// Nil discards the bytes and hashes nothing.
    let path: String?
    private(set) var written: Int64
    private var descriptor: Int32?
    private var digest = Insecure.MD5()
    private var digested: Int64 = 0

    init(path: String?, written: Int64 = 0) {
        self.path = path
        self.written = written
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(FileFailure) {
        guard let path else {
            written += Int64(bytes.count)
            return
        }
        let descriptor = try openedFile(path)
        if !ByteSearch.isAllZero(bytes) {
            var done = 0
            while done < bytes.count {
                let count = pwrite(
                    descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(written + Int64(done)))
                if count < 0, errno == EINTR { continue }
                if count <= 0 { throw FileFailure("write", path) }
                done += count
            }
        }
        if digested == written {
            digest.update(bufferPointer: bytes)
            digested += Int64(bytes.count)
        }
        written += Int64(bytes.count)
    }

    /// Forgets what lies behind `size`, and makes the file exactly that long.
    mutating func settle(at size: Int64) throws(FileFailure) {
        written = size
        if digested > size {
            digest = Insecure.MD5()
            digested = 0
        }
        guard let path else { return }
        if ftruncate(try openedFile(path), off_t(size)) != 0 { throw FileFailure("truncate", path) }
    }

    /// How many bytes ``finish()`` has to read back.
    var undigested: Int64 { path == nil ? 0 : written - digested }

    /// The MD5 of everything written, hexadecimal; nil where the bytes were discarded.
    mutating func finish() throws(FileFailure) -> String? {
        guard let path else { return nil }
        if digested < written {
            let reader = try Files.open(path, O_RDONLY)
            defer { Glibc.close(reader) }
            var block = [UInt8](repeating: 0, count: 1 << 20)
            while digested < written {
                let count = pread(reader, &block, Int(min(Int64(block.count), written - digested)), off_t(digested))
                if count < 0, errno == EINTR { continue }
                if count <= 0 { throw FileFailure("read", path) }
                block.withUnsafeBytes { digest.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                digested += Int64(count)
            }
        }
        close()
        return Hexadecimal.encode(digest.finalize())
    }

    mutating func close() {
        if let descriptor { Glibc.close(descriptor) }
        descriptor = nil
    }

    private mutating func openedFile(_ path: String) throws(FileFailure) -> Int32 {
        if let descriptor { return descriptor }
        let opened = try Files.open(path, O_RDWR | O_CREAT)
        descriptor = opened
        return opened
    }
}
