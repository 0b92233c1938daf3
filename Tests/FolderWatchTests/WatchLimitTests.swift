import Glibc
import SyncCore
import Synchronization
import SystemPackage
import Testing

@testable import FolderWatch

/// The kernel with a smaller limit than this machine's, which other programs need.
final class SmallLimit: Sendable {
    private struct State {
        var most: Int
        var watches: Set<Int32> = []
        var instances: Bool
    }

    private let state: Mutex<State>

    init(most: Int, instances: Bool = true) {
        state = Mutex(State(most: most, instances: instances))
    }

    func raise(to most: Int) {
        state.withLock {
            $0.most = most
            $0.instances = true
        }
    }

    /// - Parameter names: the limits that /proc/sys tells of.
    func system(_ names: [String: Int64] = [:]) -> InotifySystem {
        var system = InotifySystem()
        let real = system
        system.makeInstance = {
            self.state.withLock { $0.instances } ? real.makeInstance() : -EMFILE
        }
        system.addWatch = { instance, directory, mask in
            let watch = real.addWatch(instance, directory, mask)
            return self.state.withLock { state in
                guard watch >= 0, !state.watches.contains(watch) else { return watch }
                guard state.watches.count < state.most else {
                    _ = real.removeWatch(instance, watch)
                    return -ENOSPC
                }
                state.watches.insert(watch)
                return watch
            }
        }
        system.removeWatch = { instance, watch in
            self.state.withLock { _ = $0.watches.remove(watch) }
            return real.removeWatch(instance, watch)
        }
        if !names.isEmpty { system.sysctl = { names[$0] } }
        return system
    }
}

@Suite("Watching beyond limits", .timeLimit(.minutes(1)))
struct WatchLimitTests {
    private static let watches = "fs.inotify.max_user_watches"
    private static let namespaceWatches = "user.max_inotify_watches"

    @Test func whatCannotBeWatchedIsNamedWithItsRemedyAndComesBackByItself() async throws {
        let small = SmallLimit(most: 50)
        let watched = try await Watched.filled(
            system: small.system([Self.watches: 9000, Self.namespaceWatches: 50])
        ) { for number in 0..<500 { try $0.makeFolder("d\(number)") } }
        let gap = WatchGap.limit(WatchLimit(sysctl: Self.namespaceWatches, value: 50, needed: 501))
        #expect(await watched.watch.nextBatch() == [.modeChanged(.partial(watched: 50, unwatched: 451, gap))])
        #expect(gap.description == "user.max_inotify_watches is 50 and used up; raise it to at least 501")
        let status = watched.watch.status
        #expect(status.watched == 50)
        #expect(status.unwatched == 451)
        #expect(status.someUnwatched.count == 100)

        watched.watcher.retryUnwatched()
        #expect(try await watched.told() == [])

        small.raise(to: 1000)
        watched.watcher.retryUnwatched()
        #expect(try await watched.told() == [.modeChanged(.events), .mustRescan(.watchesRestored)])
        #expect(watched.watch.status.watched == 501)
        let name = status.someUnwatched[0]
        try watched.folder.write("\(name)/x.csv")
        #expect(try await watched.told().contains(.closedAfterWriting(try .of("\(name)/x.csv"))))
    }

    @Test func aNewTreeBeyondTheLimitIsStillToldOnceAndThenUnwatched() async throws {
        let watched = try await Watched.over(system: SmallLimit(most: 2).system())
        try await watched.told()
        // Whole at once: what comes below a folder that is not watched is a scan's to find.
        let outside = try TemporaryFolder()
        try outside.write("a/b/c/x.csv")
        try check("rename", rename(outside.name("a"), watched.folder.name("a")))
        let told = try await watched.told()
        guard case .partial(2, let unwatched, .limit(let limit)) = told.compactMap(\.mode).last else {
            Issue.record("not partial: \(told)")
            return
        }
        // Told once for all that comes at the same time, and the second may come a moment later.
        #expect((1...2).contains(unwatched))
        try await eventually("both are counted") { watched.watch.status.unwatched == 2 }
        #expect(limit.sysctl == Self.watches)
    }

    @Test func whatIsNotWatchedIsCountedOnceHoweverOftenItIsMetAndNotWhenItIsGone() async throws {
        let watched = try await Watched.filled(system: SmallLimit(most: 2).system()) {
            try $0.makeFolder("a")
            try $0.makeFolder("b")
        }
        var name = try #require(watched.watch.status.someUnwatched.first).description
        for number in 0..<5 {
            try watched.folder.move(name, "n\(number)")
            name = "n\(number)"
        }
        try await watched.told()
        #expect(watched.watch.status.unwatched == 1)
        #expect(watched.watch.status.someUnwatched == [try .of("n4")])
        try watched.folder.removeFolder(name)
        #expect(try await watched.told().contains(.modeChanged(.events)))
        #expect(watched.watch.status.unwatched == 0)
    }

    @Test func whatMovedOutMakesRoomAtOnce() async throws {
        let watched = try await Watched.filled(system: SmallLimit(most: 3).system()) { try $0.makeFolders("a/b") }
        let outside = try TemporaryFolder()
        try await watched.told()
        try check("rename", rename(watched.folder.name("a"), outside.name("a")))
        try watched.folder.write("c/x.csv")
        let told = try await watched.told()
        #expect(told.contains { $0.hint?.description == "c/x.csv" })
        #expect(told.compactMap(\.mode).isEmpty)
        #expect(watched.watch.status == FolderWatchStatus(mode: .events, watched: 2, unwatched: 0))
    }

    @Test func aFolderOfWhichNothingCanBeWatchedIsPolled() async throws {
        let small = SmallLimit(most: 0)
        let watched = try await Watched.over(system: small.system([Self.watches: 0]))
        let gap = WatchGap.limit(WatchLimit(sysctl: Self.watches, value: 0, needed: 1))
        #expect(await watched.watch.nextBatch() == [.modeChanged(.polling(gap))])
        small.raise(to: 10)
        watched.watcher.retryUnwatched()
        let told = try await watched.told { $0.count >= 2 }
        #expect(told == [.modeChanged(.events), .mustRescan(.watchesRestored)])
    }

    @Test func withoutAnInstanceEverythingIsPolledUntilThereIsOne() async throws {
        let small = SmallLimit(most: 10, instances: false)
        let watched = try await Watched.filled(
            system: small.system(["fs.inotify.max_user_instances": 128, "user.max_inotify_instances": 128])
        ) { try $0.makeFolder("a") }
        let limit = WatchLimit(sysctl: "fs.inotify.max_user_instances", value: 128, needed: 129)
        #expect(await watched.watch.nextBatch() == [.modeChanged(.polling(.limit(limit)))])
        watched.watcher.retryUnwatched()
        small.raise(to: 10)
        watched.watcher.retryUnwatched()
        let told = try await watched.told { $0.contains(.mustRescan(.watchesRestored)) }
        #expect(told.compactMap(\.mode).last == .events)
        try watched.folder.write("a/x.csv")
        #expect(try await watched.told().contains(.closedAfterWriting(try .of("a/x.csv"))))
    }

    @Test(arguments: [
        (0x6969, "NFS"), (0xFF53_4D42, "SMB"), (0xFE53_4D42, "SMB"), (0x6573_5546, "FUSE"),
        (0x0102_1997, "9p"), (0x1234, "a file system of unknown kind 0x1234"),
    ])
    func fileSystemsThatChangeElsewhereArePolled(_ kind: UInt64, _ name: String) async throws {
        var system = InotifySystem()
        system.fileSystem = { _ in kind }
        let watched = try await Watched.over(system: system)
        #expect(await watched.watch.nextBatch() == [.modeChanged(.polling(.fileSystem(name)))])
        #expect(watched.watch.status.watched == 0)
        watched.watcher.retryUnwatched()
        #expect(watched.watch.status.mode == .polling(.fileSystem(name)))
    }

    @Test(arguments: [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630])
    func fileSystemsOfThisMachineAreWatched(_ kind: UInt64) {
        #expect(!FileSystemType(number: kind).isRemote)
    }

    @Test func theSmallerLimitIsTheOneThatCounts() {
        func named(_ machine: Int64?, _ namespace: Int64?) -> WatchLimit {
            var system = InotifySystem()
            system.sysctl = { $0 == Self.watches ? machine : $0 == Self.namespaceWatches ? namespace : nil }
            return WatchLimit.reached("watches", missing: 10, system)
        }
        #expect(named(100, 100) == WatchLimit(sysctl: Self.watches, value: 100, needed: 110))
        #expect(named(100, 2_147_483_647) == WatchLimit(sysctl: Self.watches, value: 100, needed: 110))
        #expect(named(100, 50) == WatchLimit(sysctl: Self.namespaceWatches, value: 50, needed: 60))
        #expect(named(nil, 50) == WatchLimit(sysctl: Self.namespaceWatches, value: 50, needed: 60))
        #expect(named(nil, nil) == WatchLimit(sysctl: Self.watches, value: nil, needed: nil))
        #expect(named(.max, nil) == WatchLimit(sysctl: Self.watches, value: .max, needed: nil))
    }
}
