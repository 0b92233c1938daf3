import Glibc
import SyncCore
import Synchronization
import SystemPackage
import Testing

@testable import FolderWatch

@Suite("Scanning a folder")
struct ScanTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    struct Found {
        var files: [RelativePath: SeenFile] = [:]
        var batches: [Int] = []
        var report = ScanReport()
        var names: Set<String> { Set(files.keys.map(\.description)) }
    }

    private func scan(
        _ place: FilePath? = nil, recursive: Bool = true, batchSize: Int = 100,
        skips: @escaping @Sendable (RelativePath) -> Bool = { _ in false }
    ) async throws -> Found {
        let found = Mutex(Found())
        let report = try await FolderTreeScanner().scan(
            place ?? folder.path, recursive: recursive, batchSize: batchSize, skipsDirectory: skips
        ) { batch in
            found.withLock { found in
                found.batches.append(batch.count)
                for file in batch {
                    #expect(found.files[file.path] == nil, "met twice: \(file.path)")
                    found.files[file.path] = file
                }
            }
        }
        return found.withLock { found in
            found.report = report
            return found
        }
    }

    @Test func allRegularFilesAreMetOnceWithTheirObservation() async throws {
        for path in ["a.csv", "b/c.csv", "b/d/e.csv", "b/d/.hidden", "z/y/x/w.csv"] {
            try folder.create(Array(path.utf8), Array(path.utf8))
        }
        try folder.makeFolder("empty")
        let found = try await scan()
        #expect(found.names == ["a.csv", "b/c.csv", "b/d/e.csv", "b/d/.hidden", "z/y/x/w.csv"])
        #expect(found.report.files == 5)
        #expect(found.report.directories == 6)
        #expect(found.report.problemCount == 0)
        var status = stat()
        try check("stat", stat(folder.name("b/c.csv"), &status))
        let seen = try #require(found.files[.of("b/c.csv")])
        #expect(
            seen.observation
                == FileObservation(
                    device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: 7,
                    modified: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec),
                    changed: Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec)))
        #expect(seen.links == 1)
    }

    @Test func anEmptyFolderHasNothing() async throws {
        let found = try await scan()
        #expect(found.batches.isEmpty)
        #expect(found.report == ScanReport())
    }

    @Test func withoutRecursionOnlyTheFolderItselfIsListed() async throws {
        try folder.create(Array("a.csv".utf8))
        try folder.create(Array("b/c.csv".utf8))
        let found = try await scan(recursive: false) { _ in
            Issue.record("asked about a folder that is not entered anyway")
            return false
        }
        #expect(found.names == ["a.csv"])
    }

    @Test func skippedFoldersAreAskedAboutOnceAndNotEntered() async throws {
        for path in ["keep/a", "skip/b", "keep/skip/c", "keep/keep/d"] { try folder.create(Array(path.utf8)) }
        let asked = AskedPaths()
        let found = try await scan { path in
            asked.note(path)
            return path.name == Array("skip".utf8)[...]
        }
        #expect(found.names == ["keep/a", "keep/keep/d"])
        #expect(asked.all.sorted() == ["keep", "keep/keep", "keep/skip", "skip"])
    }

    @Test func batchesAreNoLargerThanAskedForHoweverLargeAFolderIs() async throws {
        for number in 0..<3000 { try folder.create(Array("many/file-with-a-longer-name-\(number)".utf8)) }
        for number in 0..<50 { try folder.create(Array("dir\(number)/a".utf8)) }
        let found = try await scan(batchSize: 64)
        #expect(found.files.count == 3050)
        #expect(found.report.files == 3050)
        #expect(found.batches.allSatisfy { $0 <= 64 })
        #expect(found.batches.dropLast().allSatisfy { $0 == 64 })
        #expect(try await scan(batchSize: 0).files.count == 3050, "a size of nothing still goes on")
    }

    // MARK: Names and depths

    @Test func namesAreBytes() async throws {
        var expected: Set<[UInt8]> = []
        for byte in UInt8(1)...255 where byte != UInt8(ascii: "/") {
            expected.insert([0x78, byte])
            expected.insert([byte, UInt8(ascii: "/"), byte, 0x79])
        }
        expected.remove([UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "."), 0x79])
        expected.insert([UInt8](repeating: 0xFF, count: 255))
        for path in expected { try folder.create(path) }
        let found = try await scan()
        #expect(Set(found.files.keys.map(\.bytes)) == expected)
    }

    @Test func pathsBeyondPathMaxAreWalked() async throws {
        let name = [UInt8](repeating: UInt8(ascii: "n"), count: 255)
        let slash = [UInt8(ascii: "/")]
        // Past 32 levels (held open) and past 4,096 bytes by far; with brothers at every level, so that the walk
        // has to come back.
        var expected: Set<[UInt8]> = []
        for depth in 1...50 {
            let above = repeatElement(name, count: depth).joined(separator: slash) + slash
            for brother in ["a", "m/below", "z"] { expected.insert(above + Array(brother.utf8)) }
        }
        for path in expected { try folder.create(path) }
        let found = try await scan(batchSize: 7)
        #expect(Set(found.files.keys.map(\.bytes)) == expected)
        #expect(found.report.problemCount == 0)
    }

    @Test func aVeryDeepTreeNeedsFewDescriptors() async throws {
        let depth = 1500
        let path = Array(String(repeating: "d/", count: depth).utf8) + Array("leaf".utf8)
        try folder.create(path)
        for level in stride(from: 10, to: depth, by: 100) {
            try folder.create(Array(String(repeating: "d/", count: level).utf8) + Array("leaf".utf8))
        }
        let most = Mutex(0)
        let place = folder.path.string
        let found = try await scan(batchSize: 1) { _ in
            let open = openDescriptors().filter { $0.hasPrefix(place) }.count
            most.withLock { $0 = max($0, open) }
            return false
        }
        #expect(found.files.count == 16)
        #expect(found.report.directories == depth)
        #expect(most.withLock { $0 } <= TreeWalk.mostOpen + 2)
        #expect(!openDescriptors().contains { $0.hasPrefix(place) }, "all closed at the end")
    }

    // MARK: What is no regular file

    @Test func linksAreNotFollowedAndSpecialFilesPassedOver() async throws {
        let outside = try TemporaryFolder()
        try outside.create(Array("secret.csv".utf8))
        try folder.create(Array("real/a.csv".utf8))
        try folder.link("real", as: "way")
        try folder.link("real/a.csv", as: "link.csv")
        try folder.link("self", as: "self")
        try folder.link("..", as: "real/parent")
        try folder.link("two", as: "one")
        try folder.link("one", as: "two")
        try folder.link("nowhere", as: "dangling")
        try folder.link(outside.path.string, as: "outside")
        try check("mkfifo", mkfifo(folder.name("fifo"), 0o600))
        let found = try await scan()
        #expect(found.names == ["real/a.csv"])
        #expect(found.report.problemCount == 0)
    }

    @Test func bothNamesOfAHardLinkAreMetWithTheirCount() async throws {
        try folder.create(Array("a".utf8))
        try folder.makeFolder("b")
        try check("link", Glibc.link(folder.name("a"), folder.name("b/c")))
        let found = try await scan()
        #expect(found.names == ["a", "b/c"])
        #expect(found.files.values.allSatisfy { $0.links == 2 })
        #expect(Set(found.files.values.map(\.observation)).count == 1)
    }

    @Test func oldAndFutureDatesMakeNoDifference() async throws {
        for (name, seconds) in [("1970", 0), ("2001", 1_000_000_000), ("2076", 3_350_000_000)] {
            try folder.create(Array(name.utf8))
            let time = timespec(tv_sec: seconds, tv_nsec: 0)
            try check("utimensat", utimensat(AT_FDCWD, folder.name(name), [time, time], 0))
        }
        let found = try await scan()
        #expect(found.names == ["1970", "2001", "2076"])
        #expect(found.files[try .of("2001")]?.observation.modified == 1_000_000_000_000_000_000)
    }

    /// Whether this process may mount; without that right there is no bind mount to walk into.
    static let mayMount: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder() else { return false }
        guard mount(folder.path.string, folder.path.string, nil, UInt(MS_BIND), nil) == 0 else { return false }
        return umount(folder.path.string) == 0
    }()

    @Test(.enabled(if: mayMount, "needs the right to mount"))
    func aBindMountOfTheFolderInItselfIsNamedAndNotEntered() async throws {
        try folder.create(Array("a/b/file".utf8))
        try folder.makeFolder("a/b/loop")
        try check("mount", mount(folder.path.string, folder.name("a/b/loop"), nil, UInt(MS_BIND), nil))
        defer { umount(folder.name("a/b/loop")) }
        let found = try await scan()
        #expect(found.names == ["a/b/file"])
        #expect(found.report.problems.map(\.path) == [try .of("a/b/loop")])
    }

    // MARK: Trouble

    @Test(.enabled(if: geteuid() != 0, "root may read every folder"))
    func aFolderThatMayNotBeReadIsReportedAndTheRestGoesOn() async throws {
        for path in ["a/1", "b/2", "c/3"] { try folder.create(Array(path.utf8)) }
        try check("chmod", chmod(folder.name("b"), 0))
        defer { chmod(folder.name("b"), 0o755) }
        let found = try await scan()
        #expect(found.names == ["a/1", "c/3"])
        #expect(found.report.problemCount == 1)
        let problem = try #require(found.report.problems.first)
        #expect(problem.path == (try .of("b")))
        #expect(problem.reason.contains("ermission denied") && problem.reason.contains("chmod"))
    }

    @Test func aFolderThatVanishesDuringTheScanIsNoProblem() async throws {
        for path in ["a/1", "b/2", "c/d/3"] { try folder.create(Array(path.utf8)) }
        let place = folder.path.string
        let found = try await scan { path in
            // Between being listed and being entered.
            switch path.text {
            case "b": rename("\(place)/b", "\(place)-b") == 0 && false
            case "c/d":
                rename("\(place)/c/d", "\(place)-d") == 0 && symlink("\(place)-d", "\(place)/c/d") == 0 && false
            default: false
            }
        }
        defer {
            for name in ["\(place)-b/2", "\(place)-d/3"] { unlink(name) }
            for name in ["\(place)-b", "\(place)-d"] { rmdir(name) }
        }
        #expect(found.names == ["a/1"])
        #expect(found.report.problemCount == 0)
    }

    @Test func aFolderThatIsNotThereIsAFailureOfItsMapping() async throws {
        try folder.create(Array("file".utf8))
        for place in ["missing", "file"] {
            await #expect { _ = try await scan(folder.path.appending(place)) } throws: { error in
                guard let failure = error as? Failure else { return false }
                return failure.kind == .sourceGone && failure.scope == .destination
                    && failure.summary.contains(place) && failure.hint != nil
            }
        }
    }

    @Test func whatTheReceiverThrowsEndsTheScan() async throws {
        struct Enough: Error {}
        for number in 0..<10 { try folder.create(Array("\(number)".utf8)) }
        await #expect(throws: Enough.self) {
            _ = try await FolderTreeScanner().scan(
                folder.path, recursive: true, batchSize: 2, skipsDirectory: { _ in false }
            ) { _ in throw Enough() }
        }
    }

    @Test func aCancelledScanEnds() async throws {
        try folder.create(Array("a".utf8))
        let place = folder.path
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await FolderTreeScanner().scan(
                place, recursive: true, batchSize: 1, skipsDirectory: { _ in false }
            ) { _ in }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
    }
}

final class AskedPaths: Sendable {
    private let paths = Mutex<[String]>([])

    func note(_ path: RelativePath) {
        paths.withLock { $0.append(path.description) }
    }

    var all: [String] { paths.withLock { $0 } }
}
