import Glibc
import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

@testable import FolderWatch

/// Files and directories are written, moved and removed at random while a listener looks at whatever it is told.
/// In the end it must know every file with its last content, without ever having scanned.
@Suite("Watching what happens at random", .serialized, .timeLimit(.minutes(10)))
struct WatchModelTests {
    /// What a listener knows: the content that it saw at each path when it last looked.
    private struct Listener {
        let folder: TemporaryFolder
        var known: [RelativePath: [UInt8]] = [:]
        var rescans = 0

        mutating func hear(_ event: FolderEvent) {
            switch event {
            case .closedAfterWriting(let path), .movedIn(let path), .appeared(let path):
                known[path] = ProcessFiles.read(folder.name("\(path)"), atMost: 64)
            case .deleted(let path), .movedAway(let path):
                // A hint, like all: there may be another file by now.
                known[path] = ProcessFiles.read(folder.name("\(path)"), atMost: 64)
            case .directoryGone(let path), .directoryMoved(let path, _):
                let prefix = path.bytes + [UInt8(ascii: "/")]
                for path in known.keys where path.bytes.starts(with: prefix) {
                    known[path] = ProcessFiles.read(folder.name("\(path)"), atMost: 64)
                }
            case .mustRescan:
                rescans += 1
            case .modeChanged, .folderGone:
                break
            }
        }
    }

    /// Does something at random, below names that are few enough to meet again and again.
    private struct Actor {
        var random: SeededRandom
        let folder: TemporaryFolder
        let outside: TemporaryFolder
        var serial = 0

        private mutating func directory() -> String {
            let depth = Int.random(in: 1...3, using: &random)
            return (0..<depth).map { _ in "d\(Int.random(in: 0...3, using: &random))" }.joined(separator: "/")
        }

        private mutating func file() -> String {
            // Now and then in the folder itself, which is not to be moved like the others.
            let directory = Int.random(in: 0..<5, using: &random) == 0 ? "" : directory()
            let name = "f\(Int.random(in: 0...4, using: &random))"
            return directory.isEmpty ? name : "\(directory)/\(name)"
        }

        mutating func act() {
            serial += 1
            let content = Array("\(random.seed)-\(serial)".utf8)
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<7: write(file(), content)
            case 7: _ = try? folder.makeFolders(directory())
            case 8, 9: rename(folder.name(file()), folder.name(file()))
            case 10, 11: rename(folder.name(directory()), folder.name(directory()))
            case 12: rename(folder.name(directory()), outside.name("d\(Int.random(in: 0...3, using: &random))"))
            case 13: rename(outside.name("d\(Int.random(in: 0...3, using: &random))"), folder.name(directory()))
            case 14: unlink(folder.name(file()))
            case 15: rmdir(folder.name(directory()))
            case 16: exchange(directory(), directory())
            case 17: link(folder.name(file()), folder.name(file()))
            case 18: writeAndRename(file(), content)
            default: removeTree(directory())
            }
        }

        private func rename(_ from: String, _ to: String) { _ = Glibc.rename(from, to) }
        private func unlink(_ name: String) { _ = Glibc.unlink(name) }
        private func rmdir(_ name: String) { _ = Glibc.rmdir(name) }
        private func link(_ from: String, _ to: String) { _ = Glibc.link(from, to) }

        private mutating func write(_ path: String, _ content: [UInt8]) {
            if Bool.random(using: &random) {
                try? folder.makeFolders(path.split(separator: "/").dropLast().joined(separator: "/"))
            }
            let file = open(folder.name(path), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            guard file >= 0 else { return }
            _ = Glibc.write(file, content, content.count)
            close(file)
        }

        private func writeAndRename(_ path: String, _ content: [UInt8]) {
            let file = open(outside.name("temporary"), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            guard file >= 0 else { return }
            _ = Glibc.write(file, content, content.count)
            close(file)
            rename(outside.name("temporary"), folder.name(path))
        }

        /// By three renames: RENAME_EXCHANGE is not in Glibc's module.
        private func exchange(_ one: String, _ other: String) {
            guard Glibc.rename(folder.name(one), outside.name("swap")) == 0 else { return }
            rename(folder.name(other), folder.name(one))
            rename(outside.name("swap"), folder.name(other))
        }

        private func removeTree(_ path: String) {
            guard !path.isEmpty else { return }
            for (file, _) in Tree.files(in: folder.name(path)) { unlink(folder.name("\(path)/\(file)")) }
            for directory in Tree.directories(in: folder.name(path)).reversed() {
                rmdir(folder.name("\(path)/\(directory)"))
            }
            rmdir(folder.name(path))
        }
    }

    /// REDIVIS_SYNC_WATCH_ROUNDS sets how many rounds of 400 acts by three at once; REDIVIS_SYNC_WATCH_SEED repeats one.
    @Test func whoLooksWhereItIsToldKnowsEverything() async throws {
        let rounds = environmentNumber("REDIVIS_SYNC_WATCH_ROUNDS") ?? 6
        var seeds =
            environmentNumber("REDIVIS_SYNC_WATCH_SEED").map { SeededRandom(seed: UInt64($0)) } ?? SeededRandom()
        print("seed \(seeds.seed)")
        for round in 0..<rounds {
            let watched = try await Watched.over()
            let folder = watched.folder
            let outside = try TemporaryFolder()
            let actors = (0..<3).map { _ in
                Actor(random: SeededRandom(seed: seeds.next() >> 40), folder: folder, outside: outside)
            }
            await withTaskGroup(of: Void.self) { group in
                for actor in actors {
                    group.addTask {
                        await onOwnThread {
                            var actor = actor
                            for _ in 0..<400 { actor.act() }
                        }
                    }
                }
            }
            var listener = Listener(folder: folder)
            for event in try await watched.told() { listener.hear(event) }
            var truth: [RelativePath: [UInt8]] = [:]
            for (name, content) in Tree.files(in: folder.path.string) where !name.hasPrefix(".sentinel-") {
                truth[try .of(name)] = content
            }
            // A scan would find everything: it would prove nothing.
            #expect(listener.rescans == 0)
            let wrong = Set(truth.keys).union(listener.known.keys).filter { truth[$0] != listener.known[$0] }
            #expect(wrong.isEmpty, "round \(round) of seed \(seeds.seed): \(wrong.sorted())")
            #expect(
                watched.watch.status.watched == Tree.directories(in: folder.path.string).count + 1, "round \(round)")
            try await expectAllWatched(watched, "round \(round) of seed \(seeds.seed)")
        }
    }

    /// A file written into each directory is told by the kernel, under the path that it has.
    private func expectAllWatched(_ watched: Watched, _ which: String) async throws {
        var expected: Set<RelativePath> = []
        for directory in Tree.directories(in: watched.folder.path.string) {
            try watched.folder.write("\(directory)/probe")
            expected.insert(try .of("\(directory)/probe"))
        }
        let told = try await watched.told()
        let closed = Set(
            told.compactMap { event -> RelativePath? in
                if case .closedAfterWriting(let path) = event { path } else { nil }
            })
        #expect(closed == expected, "\(which)")
    }
}
