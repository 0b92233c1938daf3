import Glibc
import SyncCore
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import FolderWatch

/// An integer from the environment, for runs longer than the ordinary ones.
func environmentNumber(_ name: String) -> Int? {
    getenv(name).flatMap { Int(String(cString: $0)) }
}

@Suite("Watching while much happens", .serialized, .timeLimit(.minutes(5)))
struct WatchBurstTests {
    /// `mkdir -p` five deep with a file at once in it, written there or renamed in: nothing scans, nothing is missed.
    /// REDIVIS_SYNC_WATCH_TREES sets how many (ordinarily 2,000).
    @Test func filesInNewTreesAreNeverMissed() async throws {
        let trees = environmentNumber("REDIVIS_SYNC_WATCH_TREES") ?? 2000
        let writers = 8
        let watched = try await Watched.over()
        let outside = try TemporaryFolder()
        let folder = watched.folder
        let listening = Task {
            var hints: Set<RelativePath> = []
            var rescans = 0
            while let batch = await watched.watch.nextBatch() {
                for event in batch {
                    if let hint = event.hint { hints.insert(hint) }
                    if case .mustRescan = event { rescans += 1 }
                }
                if batch.contains(where: { $0.hint?.description == "the-end" }) { break }
            }
            return (hints, rescans)
        }
        let expected = await withTaskGroup(of: Set<RelativePath>.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    await onOwnThread {
                        makeTrees(in: folder, by: outside, stride(from: writer, to: trees, by: writers))
                    }
                }
            }
            return await group.reduce(into: Set()) { $0.formUnion($1) }
        }
        try await eventually("nothing is left to list") {
            watched.watcher.center.state.withLock { $0.agenda.isAsleep && $0.agenda.urgentCount == 0 }
        }
        try folder.write("the-end")
        let (hints, rescans) = await listening.value
        let missed = expected.subtracting(hints)
        #expect(missed.isEmpty, "\(missed.count) missed, such as \(missed.prefix(3))")
        #expect(expected.count == trees)
        #expect(rescans == 0)
        #expect(watched.watcher.statistics().overflows == 0)
    }

    @Test func anOverflowIsCountedAndAsksForOneScanWithEverythingWatchedAgain() async throws {
        let watched = try await Watched.filled { try $0.write("known/old.csv") }
        try await watched.told()
        watched.watcher.center.holdReader(true)
        // Three events a round, and the kernel keeps `max_queued_events` of them.
        let queue = Int(ProcessFiles.number(ofSysctl: "fs.inotify.max_queued_events") ?? 16_384)
        guard queue <= 100_000 else { return }
        for number in 0...(queue / 2) {
            let name = watched.folder.name("known/\(number % 7)")
            close(try check("open", open(name, O_WRONLY | O_CREAT, 0o644)))
            try check("unlink", unlink(name))
        }
        try watched.folder.write("unheard/of/x.csv")
        try watched.folder.move("known", "unknown")
        watched.watcher.center.holdReader(false)
        let told = try await watched.told { $0.contains(.mustRescan(.overflow)) }
        #expect(told.filter { $0 == .mustRescan(.overflow) }.count == 1)
        #expect(watched.watcher.statistics().overflows == 1)
        // The scan that is asked for finds what was there; what comes after it has to be told.
        try watched.folder.write("unheard/of/y.csv")
        try watched.folder.write("unknown/y.csv")
        let later = try await watched.told()
        #expect(later.contains(.closedAfterWriting(try .of("unheard/of/y.csv"))))
        #expect(later.contains(.closedAfterWriting(try .of("unknown/y.csv"))))
        #expect(!later.contains(.mustRescan(.overflow)))
        #expect(watched.watch.status.watched == 4)
    }

    @Test func manyDirectoriesAreWatchedQuickly() async throws {
        let count = environmentNumber("REDIVIS_SYNC_WATCH_DIRECTORIES") ?? 3000
        let folder = try TemporaryFolder()
        for number in 0..<count {
            if number % 100 == 0 { try folder.makeFolder("g\(number / 100)") }
            try folder.makeFolder("g\(number / 100)/d\(number)")
        }
        let clock = ContinuousClock()
        let start = clock.now
        let before = residentBytes()
        let watched = try await Watched.over(folder)
        let took = clock.now - start
        print("\(watched.watch.status.watched) directories watched in \(took), \(residentBytes() - before) bytes")
        #expect(watched.watch.status.watched == count + (count + 99) / 100 + 1)
        #expect(took < .seconds(1) + .milliseconds(count))
    }

    private func residentBytes() -> Int {
        let fields = ProcessFiles.read("/proc/self/statm", atMost: 200) ?? []
        let pages = String(decoding: fields, as: UTF8.self).split(separator: " ").dropFirst().first
        return pages.flatMap { Int($0) }.map { $0 * 4096 } ?? 0
    }
}

private func makeTrees(
    in folder: TemporaryFolder, by outside: TemporaryFolder, _ numbers: StrideTo<Int>
) -> Set<RelativePath> {
    var made: Set<RelativePath> = []
    for number in numbers {
        do {
            let directory = "t\(number % 50)/\(number)/b/c/d"
            try folder.makeFolders(directory)
            if number % 2 == 0 {
                try folder.write("\(directory)/x.csv")
            } else {
                try outside.write("x\(number)")
                try check("rename", rename(outside.name("x\(number)"), folder.name("\(directory)/x.csv")))
            }
            made.insert(try .of("\(directory)/x.csv"))
        } catch {
            Issue.record(error)
        }
    }
    return made
}
