import Glibc
import Synchronization

/// A file of one JSON object a line that only grows. Each line goes out in one write, so a reader never sees lines mixed.
final class JSONLines: Sendable {
    private struct State {
        var descriptor: Int32
    }

    let path: String
    // A mutex, since lines come from every task that answers a request.
    private let state: Mutex<State>

    /// Opens the file for appending. A last line that a killed process left unfinished is ended first, so that what
    /// follows stands on a line of its own.
    init(path: String) throws(FileFailure) {
        self.path = path
        let descriptor = try Files.open(path, O_RDWR | O_CREAT | O_APPEND)
        state = Mutex(State(descriptor: descriptor))
        var last: UInt8 = 0x0A
        if let size = Files.size(path), size > 0, pread(descriptor, &last, 1, off_t(size - 1)) == 1, last != 0x0A {
            try Files.writeAll(descriptor, [0x0A], path: path)
        }
    }

    deinit {
        let descriptor = state.withLock { $0.descriptor }
        Glibc.close(descriptor)
    }

    func append(_ line: JSON) throws(FileFailure) {
        var bytes = line.bytes
        bytes.append(0x0A)
        let result: Result<Void, FileFailure> = state.withLock { state in
            Result { () throws(FileFailure) in try Files.writeAll(state.descriptor, bytes, path: path) }
        }
        try result.get()
    }

    /// The lines that can be read; one that cannot was cut by a kill and counts as never written.
    static func read(_ path: String) throws(FileFailure) -> [JSON] {
        guard let content = try Files.read(path) else { return [] }
        return content.split(separator: 0x0A).compactMap { try? JSONParser.parse(Array($0)) }
    }
}
