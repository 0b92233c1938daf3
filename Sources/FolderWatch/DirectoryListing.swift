import Glibc

/// A directory being listed: its descriptor, and a buffer of entries that is filled again and again, so that memory
/// does not depend on how many there are (`man 2 getdents64`).
struct DirectoryListing: ~Copyable {
    /// In bytes: some thousand names at a time.
    static let bufferSize = 64 << 10

    enum Kind { case regular, directory, unknown, other }

    struct Entry {
        let name: [UInt8]
        let kind: Kind
    }

    enum Step {
        case entry(Entry)
        case end
        case failed(Int32)
    }

    let descriptor: Int32
    let system: any DirectorySystem
    private let buffer: UnsafeMutableRawBufferPointer
    private var filled = 0
    private var next = 0

    /// Takes the descriptor over.
    init(descriptor: Int32, _ system: any DirectorySystem) {
        self.descriptor = descriptor
        self.system = system
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 16)
    }

    deinit {
        system.close(descriptor)
        buffer.deallocate()
    }

    /// Fills the empty buffer; the error number where that fails.
    mutating func fill() -> Int32? {
        let count = system.readEntries(of: descriptor, into: buffer)
        (filled, next) = (max(count, 0), 0)
        return count < 0 ? Int32(-count) : nil
    }

    /// Back to the first entry; the error number where that fails.
    mutating func rewind() -> Int32? {
        (filled, next) = (0, 0)
        let result = system.rewind(descriptor)
        return result < 0 ? -result : nil
    }

    mutating func step() -> Step {
        while true {
            if next >= filled {
                if let code = fill() { return .failed(code) }
                if filled == 0 { return .end }
            }
            guard let entry = takeEntry() else { return .failed(EIO) }
            if entry.name != [UInt8(ascii: ".")], entry.name != [UInt8(ascii: "."), UInt8(ascii: ".")] {
                return .entry(entry)
            }
        }
    }

    /// `struct linux_dirent64`: inode (8 bytes), offset (8), length of the record (2), type (1), name up to a NUL.
    /// `nil` where the record does not fit into what the kernel filled, which it never should.
    private mutating func takeEntry() -> Entry? {
        let header = 19
        guard next + header <= filled else { return nil }
        let length = Int(buffer.loadUnaligned(fromByteOffset: next + 16, as: UInt16.self))
        guard length > header, next + length <= filled else { return nil }
        let kind: Kind =
            switch Int(buffer[next + 18]) {
            case Int(DT_REG): .regular
            case Int(DT_DIR): .directory
            case Int(DT_UNKNOWN): .unknown
            default: .other
            }
        let name = buffer[(next + header)..<(next + length)].prefix { $0 != 0 }
        next += length
        return Entry(name: Array(name), kind: kind)
    }
}
