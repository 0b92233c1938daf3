import Glibc
import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

@testable import FolderWatch

/// Eight writers make trees five deep, with a file at once in each, and rename directories into one another, out and
/// in. What lies there in the end must have been told at its path, and every directory that is left must be watched.
/// Nobody scans.
@Suite("Watching while directories are renamed by many", .serialized, .timeLimit(.minutes(10)))
struct WatchStressTests {
    private struct Writer {
        var random: SeededRandom
        let folder: TemporaryFolder
        let outside: TemporaryFolder
        let number: Int
        var serial = 0

        private mutating func directory(_ depths: ClosedRange<Int>) -> String {
            let depth = Int.random(in: depths, using: &random)
            return (0..<depth).map { _ in "d\(Int.random(in: 0...4, using: &random))" }.joined(separator: "/")
        }

        mutating func act() {
            serial += 1
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5: makeTree()
            case 5..<8: rename(folder.name(directory(1...4)), folder.name(directory(1...4)))
            case 8: rename(folder.name(directory(1...2)), outside.name("o\(serial % 3)"))
            default: rename(outside.name("o\(serial % 3)"), folder.name(directory(1...4)))
            }
        }

        /// May fail anywhere: others rename what it stands on.
        private mutating func makeTree() {
            let directory = directory(5...5)
            try? folder.makeFolders(directory)
            let file = folder.name("\(directory)/w\(number)-\(serial)")
            if Bool.random(using: &random) {
                close(open(file, O_WRONLY | O_CREAT, 0o644))
            } else {
                close(open(outside.name("file"), O_WRONLY | O_CREAT, 0o644))
                rename(outside.name("file"), file)
            }
        }

        private func rename(_ from: String, _ to: String) { _ = Glibc.rename(from, to) }
    }

    /// REDIVIS_SYNC_WATCH_ROUNDS sets how many rounds (ordinarily 2); REDIVIS_SYNC_WATCH_SEED repeats one, as far as
    /// threads do.
    @Test func everyDirectoryThatIsLeftIsWatchedAndEveryFileTold() async throws {
        var seeds =
            environmentNumber("REDIVIS_SYNC_WATCH_SEED").map { SeededRandom(seed: UInt64($0)) } ?? SeededRandom()
        print("seed \(seeds.seed)")
        for round in 0..<(environmentNumber("REDIVIS_SYNC_WATCH_ROUNDS") ?? 2) {
            let which = "round \(round) of seed \(seeds.seed)"
            let watched = try await Watched.over()
            var heard = try await heardWhileWriting(in: watched, &seeds)
            heard += try await watched.told()
            let files = try Set(Tree.files(in: watched.folder.path.string).map { try RelativePath.of($0.0) })
            let missed = files.subtracting(heard.compactMap(\.hint)).filter { !$0.description.hasPrefix(".sentinel-") }
            #expect(missed.isEmpty, "\(which)")
            var probes: Set<RelativePath> = []
            for directory in Tree.directories(in: watched.folder.path.string) {
                try watched.folder.write("\(directory)/probe")
                probes.insert(try .of("\(directory)/probe"))
            }
            let told = Set(try await watched.told().compactMap(\.hint))
            #expect(probes.subtracting(told).isEmpty, "unwatched in \(which)")
            #expect(watched.watch.status.watched == probes.count + 1, "\(which)")
            #expect(!heard.contains { if case .mustRescan = $0 { true } else { false } }, "\(which)")
        }
    }

    /// What waits unheard is bounded, so somebody listens meanwhile.
    private func heardWhileWriting(in watched: Watched, _ seeds: inout SeededRandom) async throws -> [FolderEvent] {
        let listening = Task {
            var heard: [FolderEvent] = []
            while let batch = await watched.watch.nextBatch() {
                heard += batch
                if batch.contains(where: { $0.hint?.description == "the-end" }) { break }
            }
            return heard
        }
        try await write(in: watched.folder, &seeds)
        try watched.folder.write("the-end")
        return await listening.value
    }

    private func write(in folder: TemporaryFolder, _ seeds: inout SeededRandom) async throws {
        let outsides = try (0..<8).map { _ in try TemporaryFolder() }
        let writers = outsides.enumerated().map { number, outside in
            Writer(random: SeededRandom(seed: seeds.next() >> 40), folder: folder, outside: outside, number: number)
        }
        await withTaskGroup(of: Void.self) { group in
            for writer in writers {
                group.addTask {
                    await onOwnThread {
                        var writer = writer
                        for _ in 0..<150 { writer.act() }
                    }
                }
            }
        }
    }
}
