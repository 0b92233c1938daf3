import Crypto
import SyncCore
import Synchronization
import SystemPackage

/// One open file of a `MemoryFolder`, hashed as it is read.
final class MemorySource: OpenSource {
    private struct Hashes {
        var offset: Int64 = 0
        var sha256 = SHA256()
        var md5 = Insecure.MD5()

        mutating func take(_ bytes: some Sequence<UInt8>, count: Int) {
            let bytes = Array(bytes)
            sha256.update(data: bytes)
            md5.update(data: bytes)
            offset += Int64(count)
        }

        var prefix: PrefixDigest {
            PrefixDigest(offset: offset, sha256: SyncCore.Digest(bytes: Array(sha256.finalize())))
        }
    }

    private struct State {
        var hashes = Hashes()
        var kept: [Int64: PrefixDigest] = [:]
        /// Which `read` is the present one.
        var reading = 0
    }

    private let folder: MemoryFolder
    private let inode: UInt64
    private let path: RelativePath
    private let place: FilePath
    private let state = Mutex(State())

    init(_ folder: MemoryFolder, inode: UInt64, path: RelativePath, folder place: FilePath) {
        self.folder = folder
        self.inode = inode
        self.path = path
        self.place = place
    }

    func observe() async throws(Failure) -> FileObservation {
        folder.note(.observe, path)
        let (observation, isNamed) = folder.state.withLock { state in
            (state.inodes[inode]?.observation, state.names[place]?[path] == inode)
        }
        guard let observation, isNamed else { throw Failure(.sourceGone, "\(path) is gone, or another file by now") }
        return observation
    }

    var hashedOffset: Int64 { get async { state.withLock { $0.hashes.offset } } }

    func rewind(to offset: Int64) async throws(Failure) -> PrefixDigest {
        folder.note(.rewind, path)
        let bytes = folder.state.withLock { $0.inodes[inode]?.bytes ?? [] }
        guard offset <= Int64(bytes.count) else {
            throw Failure(.sourceChanged, "\(path) is shorter than \(offset) bytes")
        }
        return state.withLock { state in
            state.reading += 1
            state.hashes = Hashes()
            state.hashes.take(bytes[..<Int(offset)], count: Int(offset))
            return state.hashes.prefix
        }
    }

    func read(to end: Int64) async -> SourceSlices {
        let reading = state.withLock { state in
            state.reading += 1
            state.kept = [:]
            return state.reading
        }
        return SourceSlices { [self] in
            SourceSlices.AsyncIterator { try await self.slice(of: reading, end: end) }
        }
    }

    private func slice(of reading: Int, end: Int64) async throws -> [UInt8]? {
        folder.note(.slice, path)
        let bytes = folder.state.withLock { $0.inodes[inode]?.bytes ?? [] }
        let size = folder.sliceSize
        return try state.withLock { state -> [UInt8]? in
            guard state.reading == reading else { throw Failure(.transient, "this read of \(path) has ended") }
            let start = Int(state.hashes.offset)
            guard start < Int(end) else { return nil }
            // Slices end on the grid too, so that the digests there can be told.
            let grid = (start / 262_144 + 1) * 262_144
            let stop = min(start + size, Int(end), grid)
            guard stop <= bytes.count else { throw Failure(.sourceChanged, "\(path) ends before \(end) bytes") }
            let slice = Array(bytes[start..<stop])
            state.hashes.take(slice, count: slice.count)
            if stop == grid || stop == Int(end) { state.kept[Int64(stop)] = state.hashes.prefix }
            return slice
        }
    }

    func prefixDigest(at offset: Int64) async -> PrefixDigest? { state.withLock { $0.kept[offset] } }

    func content() async -> Content {
        state.withLock { state in
            Content(
                size: state.hashes.offset, sha256: state.hashes.prefix.sha256,
                md5: SyncCore.Digest(bytes: Array(state.hashes.md5.finalize())))
        }
    }

    func endsHere() async throws(Failure) -> Bool {
        let count = folder.state.withLock { $0.inodes[inode]?.bytes.count ?? 0 }
        return state.withLock { $0.hashes.offset >= Int64(count) }
    }

    func close() async {}
}
