import Glibc
import SyncCore
import SystemPackage

/// Reads `receipts.jsonl` line by line, in slices, beside an agent that may be appending to it.
struct ReceiptLines: ~Copyable {
    enum Piece: Hashable {
        /// Without its newline.
        case line([UInt8])
        /// No newline follows yet: a line under way, or one that a crash tore. More may come.
        case torn
        /// More may come.
        case end
    }

    /// A receipt has one path and one name, each with a limit far below this. In bytes.
    static let longestLine = 1 << 20

    private let path: FilePath
    private let descriptor: FileDescriptor
    private var buffer: [UInt8] = []
    /// Where the part of `buffer` begins that was not handed out yet.
    private var start = 0

    /// - Returns: `nil` where there is no such file.
    /// - Throws: `Failure` of kind `stateUnavailable`.
    init?(_ path: FilePath) throws(Failure) {
        do {
            descriptor = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            self.path = path
        } catch {
            guard error as? Errno == .noSuchFileOrDirectory else { throw Self.failure(path, error) }
            return nil
        }
    }

    deinit {
        try? descriptor.close()
    }

    mutating func next() throws(Failure) -> Piece {
        var searched = start
        while true {
            if let newline = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = newline + 1 }
                return .line(Array(buffer[start..<newline]))
            }
            // What is longer is no receipt; it is handed out as far as it was read, and found to be none.
            guard buffer.count - start <= Self.longestLine else {
                defer { start = buffer.count }
                return .line(Array(buffer[start...]))
            }
            searched = buffer.count - start
            guard try readOn() else { return buffer.isEmpty ? .end : .torn }
        }
    }

    /// Drops what was handed out and reads more behind the rest, which then begins at 0.
    private mutating func readOn() throws(Failure) -> Bool {
        buffer.removeFirst(start)
        start = 0
        do {
            let more = try [UInt8](unsafeUninitializedCapacity: 1 << 16) { room, count in
                count = try descriptor.read(into: UnsafeMutableRawBufferPointer(room))
            }
            buffer += more
            return !more.isEmpty
        } catch {
            throw Self.failure(path, error)
        }
    }

    private static func failure(_ path: FilePath, _ error: any Error) -> Failure {
        Failure(
            .stateUnavailable, scope: .agent, "cannot read \(path): \((error as? Errno).map { "\($0)" } ?? "\(error)")",
            hint: "see that this user may read it; the database has the receipts too")
    }
}
