import Synchronization

/// One resumable session: the protocol of Google Cloud Storage's resumable uploads, without any HTTP.
///
/// A later request on a session takes it over: bytes that an older connection still delivers are dropped. So a client
/// that was killed in the middle of a chunk and asks again gets an answer that stays true.
final class ResumableSession: Sendable {
    /// Google keeps and acknowledges chunks in multiples of this many bytes.
    static let granularity: Int64 = 262_144
    /// Redivis's documentation: resumable uploads expire after 24 hours.
    static let lifetimeMilliseconds: Int64 = 24 * 3_600_000

    enum Phase: Equatable, Sendable {
        case open
        case finished(size: Int64, md5: String?)
        /// Cancelled by DELETE (499), or ended by a fault.
        case dead(status: Int)
    }

    /// What a session says of itself after a request.
    enum Standing: Equatable, Sendable {
        case incomplete(stored: Int64)
        case finished(size: Int64, md5: String?)
        /// Another request took the session over while this one's body was on its way.
        case superseded
    }

    /// A body that may now be received.
    struct Reception: Sendable {
        fileprivate let epoch: Int
        /// Bytes at the body's start that are stored already and are ignored.
        let repeated: Int64
        /// The body's length.
        let length: Int64
    }

    enum Opening: Sendable {
        case answer(Standing)
        case receive(Reception)
    }

    private struct State {
        var phase = Phase.open
        /// Confirmed bytes: what a status query answers.
        var stored: Int64
        var writer: ObjectWriter
        var epoch = 0
    }

    let id: String
    let uploadID: String
    /// The size announced when it was opened, in bytes.
    let size: Int64
    let created: Int64
    // A mutex, since a killed client's old connection and its new one can be at the same session at once.
    private let state: Mutex<State>

    init(
        id: String, uploadID: String, size: Int64, created: Int64, path: String?, stored: Int64 = 0,
        phase: Phase = .open
    ) {
        self.id = id
        self.uploadID = uploadID
        self.size = size
        self.created = created
        state = Mutex(State(phase: phase, stored: stored, writer: ObjectWriter(path: path, written: stored)))
    }

    var stored: Int64 {
        state.withLock { state in
            switch state.phase {
            case .open, .dead: state.stored
            case .finished(let size, _): size
            }
        }
    }

    var phase: Phase { state.withLock { $0.phase } }

    /// Bytes that finishing would have to read back for the MD5.
    var undigested: Int64 { state.withLock { $0.writer.undigested } }

    /// Judges a PUT's headers. `bodyLength` is nil for a chunked body. Throws the refusal.
    func open(_ range: ContentRange?, bodyLength: Int64?, now: Int64) throws -> Opening {
        try state.withLock { state in
            switch state.phase {
            case .finished(let size, let md5): return .answer(.finished(size: size, md5: md5))
            case .dead(let status): throw Self.failure(dead: status)
            case .open: break
            }
            guard now - created <= Self.lifetimeMilliseconds else {
                throw StorageFailure(404, "NoSuchUpload", "The upload session has expired.")
            }
            try takeOver(&state)
            switch range {
            case .query(let total): return .answer(try query(&state, total: total, bodyLength: bodyLength))
            case .bytes(let first, let last, let total):
                return try receive(&state, first: first, last: last, total: total, bodyLength: bodyLength)
            case nil: return try receiveWhole(&state, bodyLength: bodyLength)
            }
        }
    }

    private func takeOver(_ state: inout State) throws {
        let kept = max(state.stored, state.writer.written / Self.granularity * Self.granularity)
        if state.writer.written != kept || state.stored != kept {
            try state.writer.settle(at: kept)
            state.stored = kept
            state.writer.close()
        }
        state.epoch += 1
    }

    private func query(_ state: inout State, total: Int64?, bodyLength: Int64?) throws -> Standing {
        guard bodyLength == 0 else {
            throw StorageFailure(400, "InvalidArgument", "A status query has no body.")
        }
        guard let total else { return .incomplete(stored: state.stored) }
        try check(total: total)
        return total == state.stored ? try finish(&state) : .incomplete(stored: state.stored)
    }

    private func receive(
        _ state: inout State, first: Int64, last: Int64, total: Int64?, bodyLength: Int64?
    ) throws -> Opening {
        let length = last - first + 1
        if let total { try check(total: total) }
        guard last < size else {
            throw StorageFailure(400, "InvalidArgument", "The chunk ends beyond the announced size of \(size) bytes.")
        }
        if let bodyLength, bodyLength != length {
            throw StorageFailure(
                400, "InvalidArgument", "Content-Range speaks of \(length) bytes, Content-Length of \(bodyLength).")
        }
        if last + 1 != total, !length.isMultiple(of: Self.granularity) {
            throw StorageFailure(
                400, "InvalidArgument", "A chunk that is not the last must be a multiple of 262144 bytes.")
        }
        guard first <= state.stored else {
            throw StorageFailure(
                503, "ServiceUnavailable",
                "Invalid request. According to the Content-Range header, the upload offset is \(first) byte(s), "
                    + "which exceeds already uploaded size of \(state.stored) byte(s).", isPlainText: true)
        }
        return .receive(Reception(epoch: state.epoch, repeated: min(length, state.stored - first), length: length))
    }

    private func receiveWhole(_ state: inout State, bodyLength: Int64?) throws -> Opening {
        guard let bodyLength, bodyLength == size, state.stored == 0 else {
            throw StorageFailure(
                400, "InvalidArgument", "Without Content-Range a PUT must carry the whole object of \(size) bytes.")
        }
        return .receive(Reception(epoch: state.epoch, repeated: 0, length: size))
    }

    private func check(total: Int64) throws {
        guard total == size else {
            throw StorageFailure(
                400, "InvalidArgument", "The total of \(total) bytes differs from the announced size of \(size) bytes.")
        }
    }

    /// Takes bytes behind those stored. False where the session was taken over, and the bytes are dropped.
    func append(_ bytes: UnsafeRawBufferPointer, to reception: Reception) throws -> Bool {
        try state.withLock { state in
            guard state.phase == .open, state.epoch == reception.epoch else { return false }
            try state.writer.append(bytes)
            return true
        }
    }

    /// Ends a request's body. A body that broke off keeps its beginning, down to a multiple of 256 KiB.
    func end(_ reception: Reception, isComplete: Bool, closesAtTotal: Bool) throws -> Standing {
        try state.withLock { state in
            switch state.phase {
            case .finished(let size, let md5): return .finished(size: size, md5: md5)
            case .dead: return .superseded
            case .open: break
            }
            guard state.epoch == reception.epoch else { return .superseded }
            let written = state.writer.written
            let kept = isComplete ? written : max(state.stored, written / Self.granularity * Self.granularity)
            try state.writer.settle(at: kept)
            state.stored = kept
            if closesAtTotal, isComplete, kept == size { return try finish(&state) }
            state.writer.close()
            return .incomplete(stored: kept)
        }
    }

    private func finish(_ state: inout State) throws -> Standing {
        try state.writer.settle(at: state.stored)
        let md5 = try state.writer.finish()
        state.phase = .finished(size: state.stored, md5: md5)
        return .finished(size: state.stored, md5: md5)
    }

    /// Cancels. 499 from now on, as Google answers; a finished session is beyond it.
    func cancel() throws {
        try state.withLock { state in
            switch state.phase {
            case .finished: throw StorageFailure(404, "NoSuchUpload", "The upload is finished.")
            case .dead(let status): throw Self.failure(dead: status)
            case .open:
                state.writer.close()
                state.phase = .dead(status: 499)
            }
        }
    }

    // MARK: What only faults do

    /// Ends the session for good with the status that every later request gets.
    func kill(status: Int) {
        state.withLock { state in
            guard state.phase == .open else { return }
            state.writer.close()
            state.phase = .dead(status: status)
        }
    }

    /// Finishes with what is stored, however little.
    func finishEarly() throws -> Standing {
        try state.withLock { state in
            guard state.phase == .open else { return .superseded }
            return try finish(&state)
        }
    }

    /// Loses the last stored bytes of an open session; the new offset.
    func lose(_ count: Int64) throws -> Int64 {
        try state.withLock { state in
            guard state.phase == .open else { return state.stored }
            state.stored = max(0, state.stored - count)
            try state.writer.settle(at: state.stored)
            state.writer.close()
            return state.stored
        }
    }

    static func failure(dead status: Int) -> StorageFailure {
        switch status {
        case 499: StorageFailure(499, "ClientClosedRequest", "The upload was cancelled.")
        case 410: StorageFailure(410, "Gone", "The upload session was terminated.")
        default: StorageFailure(status, "NoSuchUpload", "The requested upload was not found.")
        }
    }
}
