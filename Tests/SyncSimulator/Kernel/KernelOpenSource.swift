import Crypto
import SyncCore
import SystemPackage

/// One open file of a `VirtualKernel`; see `OpenSource`. Slices hold cells, and digests are those of cells.
///
/// One slice is read ahead, so what is handed out may be older than what the file holds.
final class KernelOpenSource: OpenSource, @unchecked Sendable {
    // Unchecked: the simulator calls everything on one thread.

    /// In cells. Slices end at multiples of it.
    private static let sliceSize = 2

    private let inode: VirtualInode
    private let path: RelativePath
    private let folder: FilePath
    private let reader: KernelSourceReader
    private var isOpen = true
    private var state = KernelReading()

    init(_ inode: VirtualInode, _ path: RelativePath, in folder: FilePath, _ reader: KernelSourceReader) {
        self.inode = inode
        self.path = path
        self.folder = folder
        self.reader = reader
    }

    func observe() async throws(Failure) -> FileObservation {
        try await reader.pass(.observe, path)
        guard isOpen else { throw KernelFailures.failure(.badFileDescriptor, "observe", path, in: folder) }
        let observation = try reader.observe(inode, path, folder)
        try await reader.answer(.observe, path)
        return observation
    }

    var hashedOffset: Int64 { get async { state.point.offset } }

    func prefixDigest(at offset: Int64) async -> PrefixDigest? { state.prefix(at: offset) }

    func content() async -> Content { state.point.content }

    func endsHere() async throws(Failure) -> Bool {
        Int(state.point.offset / VirtualKernel.cellSize) >= inode.cells.count
    }

    func close() async {
        guard isOpen else { return }
        isOpen = false
        state.finish()
        reader.close(inode)
    }

    // MARK: Rewinding

    func rewind(to offset: Int64) async throws(Failure) -> PrefixDigest {
        try await reader.pass(.rewind, path)
        let offset = max(offset, 0)
        let run = state.beginRewind(to: offset)
        while state.point.offset < offset {
            if Task.isCancelled { throw Failure(.transient, "reading the file was interrupted") }
            guard state.run == run else { throw Self.ended }
            _ = try readSlice(to: offset)
            if state.point.offset < offset { try await reader.pass(.slice, path) }
        }
        return state.point.prefix
    }

    // MARK: Reading

    func read(to end: Int64) async -> SourceSlices {
        let run = state.beginRead(to: end)
        readAhead()
        return SourceSlices { [self] in
            SourceSlices.AsyncIterator { try await self.next(in: run) }
        }
    }

    private func next(in run: Int) async throws(Failure) -> [UInt8]? {
        guard state.run == run else { throw Self.ended }
        if state.ready != nil || state.failure != nil { try await reader.pass(.slice, path) }
        guard state.run == run else { throw Self.ended }
        if let slice = state.ready {
            state.ready = nil
            readAhead()
            return slice
        }
        if let failure = state.failure { throw failure }
        return nil
    }

    /// What is read before anybody asks for it fails when somebody does.
    private func readAhead() {
        guard state.point.offset < state.end else { return }
        do throws(Failure) {
            state.ready = try readSlice(to: state.end)
            state.noteRead()
        } catch {
            state.failure = error
        }
    }

    private func readSlice(to end: Int64) throws(Failure) -> [UInt8] {
        guard isOpen, reader.isAlive else { throw Failure(.transient, "this file was closed before it was read") }
        guard end.isMultiple(of: VirtualKernel.cellSize) else {
            throw Failure(.rejected, "a file of cells cannot be read to byte \(end)")
        }
        let first = Int(state.point.offset / VirtualKernel.cellSize)
        let boundary = (first / Self.sliceSize + 1) * Self.sliceSize
        let last = min(boundary, Int(end / VirtualKernel.cellSize))
        guard last <= inode.cells.count else {
            throw KernelFailures.shorter(
                path, in: folder, end: Int64(inode.cells.count) * VirtualKernel.cellSize, expected: end)
        }
        let slice = Array(inode.cells[first..<last])
        reader.noteRead(slice.count, of: inode)
        state.point.take(slice)
        return slice
    }

    private static var ended: Failure {
        Failure(.transient, "this read of the file has ended, since another one began")
    }
}

/// Where the reading of one file stands. The points from which a `rewind` can go on, and the digests that are kept, are
/// those of `ReadingState` in LocalFiles.
private struct KernelReading {
    /// In cells.
    private static let trailStep = 4

    private(set) var run = 0
    var point = KernelHashPoint()
    private(set) var end: Int64 = 0
    var ready: [UInt8]?
    var failure: Failure?
    private var start: KernelHashPoint?
    private var trail: [Int64: PrefixDigest] = [:]
    private var readEnd: PrefixDigest?

    mutating func beginRead(to end: Int64) -> Int {
        start = point
        trail = [:]
        readEnd = nil
        begin(to: end)
        return run
    }

    mutating func beginRewind(to offset: Int64) -> Int {
        let candidates = [start, point].compactMap { $0 }.filter { $0.offset <= offset }
        point = candidates.max { $0.offset < $1.offset } ?? KernelHashPoint()
        begin(to: offset)
        return run
    }

    private mutating func begin(to end: Int64) {
        run += 1
        self.end = max(end, point.offset)
        ready = nil
        failure = nil
    }

    /// Nothing is read any more.
    mutating func finish() {
        run += 1
        end = point.offset
        ready = nil
    }

    /// After each slice of a read.
    mutating func noteRead() {
        let step = Int64(Self.trailStep) * VirtualKernel.cellSize
        if point.offset.isMultiple(of: step) { trail[point.offset] = point.prefix }
        if point.offset == end { readEnd = point.prefix }
    }

    func prefix(at offset: Int64) -> PrefixDigest? {
        if let known = trail[offset] { return known }
        if let readEnd, readEnd.offset == offset { return readEnd }
        return start?.offset == offset ? start?.prefix : nil
    }
}

/// The running hashes of the first cells of a file.
private struct KernelHashPoint {
    /// In bytes.
    private(set) var offset: Int64 = 0
    private var sha256 = SHA256()
    private var md5 = Insecure.MD5()

    mutating func take(_ cells: [UInt8]) {
        sha256.update(data: cells)
        md5.update(data: cells)
        offset += Int64(cells.count) * VirtualKernel.cellSize
    }

    var prefix: PrefixDigest {
        PrefixDigest(offset: offset, sha256: SyncCore.Digest(bytes: Array(sha256.finalize())))
    }

    var content: Content {
        Content(size: offset, sha256: prefix.sha256, md5: SyncCore.Digest(bytes: Array(md5.finalize())))
    }
}
