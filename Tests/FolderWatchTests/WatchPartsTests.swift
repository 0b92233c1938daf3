import Glibc
import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

@testable import FolderWatch

@Suite("The parts of watching")
struct WatchPartsTests {
    // MARK: The table

    /// The table against a dictionary from path to watch, through some thousand random changes.
    @Test func theTableKeepsEveryPathAndWatch() throws {
        var random = SeededRandom()
        print("seed \(random.seed)")
        var table = WatchTable()
        var model: [[UInt8]: Int32] = [[]: 1]
        _ = table.insertRoot(of: 1, watch: 1)
        var nextWatch: Int32 = 2
        for _ in 0..<1500 {
            let parents = model.keys.sorted { $0.lexicographicallyPrecedes($1) }
            let parent = try #require(parents.randomElement(using: &random))
            let name = Array("n\(Int.random(in: 0...5, using: &random))".utf8)
            let path = parent.isEmpty ? name : parent + [UInt8(ascii: "/")] + name
            let node = try #require(table.node(at: parent, in: 1))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<8 where model[path] == nil && parent.count < 30:
                _ = table.insert(name, under: node, watch: nextWatch)
                model[path] = nextWatch
                nextWatch += 1
            case 8 where !parent.isEmpty && random.next() % 4 == 0:
                let below = model.filter { $0.key == parent || $0.key.starts(with: parent + [UInt8(ascii: "/")]) }
                #expect(Set(table.remove(node)) == Set(below.values))
                for path in below.keys { model[path] = nil }
            default:
                break
            }
        }
        #expect(table.watchCount == model.count)
        #expect(table.count(of: 1) == model.count)
        for (path, watch) in model {
            let node = try #require(table.node(at: path, in: 1))
            #expect(table.watch(of: node) == watch)
            #expect(table.path(of: node) == path)
            #expect(table.owners(of: watch) == [node])
        }
        if let root = table.root(of: 1) { #expect(Set(table.remove(root)) == Set(model.values)) }
        #expect(table.watchCount == 0)
        #expect(table.count(of: 1) == 0)
    }

    @Test func aWatchOfTwoFoldersIsUnusedOnlyWhenBothAreGone() {
        var table = WatchTable()
        let outer = table.insertRoot(of: 1, watch: 1)
        let below = table.insert([0x61], under: outer, watch: 2)
        let inner = table.insertRoot(of: 2, watch: 2)
        #expect(table.owners(of: 2) == [below, inner])
        #expect(table.remove(outer) == [1])
        #expect(table.owners(of: 2) == [inner])
        #expect(table.remove(inner) == [2])
        #expect(!table.isAlive(inner, watch: 2))
    }

    // MARK: The kernel's bytes

    @Test func eventsAreDecodedAndWhatDoesNotFitIsLeft() {
        func bytes(_ watch: Int32, _ mask: UInt32, _ cookie: UInt32, _ name: [UInt8], length: UInt32) -> [UInt8] {
            [UInt32(bitPattern: watch), mask, cookie, length].flatMap { value in
                withUnsafeBytes(of: value) { Array($0) }
            } + name
        }
        let first = bytes(3, 8, 0, Array("a.csv".utf8) + [0, 0, 0], length: 8)
        let second = bytes(-1, 0x4000, 0, [], length: 0)
        let third = bytes(4, 0x40, 77, [0xFF], length: 400)
        var events: [KernelEvent] = []
        (first + second + third).withUnsafeBytes { KernelEvent.forEach(in: $0) { events.append($0) } }
        #expect(
            events == [
                KernelEvent(watch: 3, mask: 8, name: Array("a.csv".utf8)), KernelEvent(watch: -1, mask: 0x4000),
            ])
    }

    // MARK: Walks

    /// However often it overflows, one walk and one scan; one more only where it overflowed during the walk.
    @Test func overflowsAskForOneScanAndForAnotherOnlyDuringIt() async throws {
        let queue = FolderEventQueue()
        let watch = FolderWatch(events: queue) {
            FolderWatchStatus(mode: .events, watched: 0, unwatched: 0)
        } stop: {
        }
        var state = WatchState()
        state.folders[1] = WatchedFolder(
            path: "/nonexistent", realPath: [], identity: DirectoryIdentity(stat()), isRecursive: true,
            skips: { _ in false }, queue: queue, mounts: [], fileSystemGap: nil)
        let overflow = KernelEvent(watch: -1, mask: UInt32(IN_Q_OVERFLOW))
        state.handle(overflow)
        state.handle(overflow)
        #expect(state.takeFromWalks()?.path == [])
        state.handle(overflow)
        state.handle(overflow)
        state.finishWalkIfDone(of: 1, InotifySystem())
        #expect(await watch.nextBatch() == [.mustRescan(.overflow)])
        #expect(state.takeFromWalks()?.isForced == true)
        state.finishWalkIfDone(of: 1, InotifySystem())
        #expect(await watch.nextBatch() == [.mustRescan(.overflow)])
        #expect(state.takeFromWalks() == nil)
        #expect(state.statistics.overflows == 4)
    }

    // MARK: Mounts

    @Test func onlyMountsBelowTheFolderCount() {
        let mountinfo = """
            22 1 0:20 / / rw - ext4 /dev/root rw
            31 22 0:21 / /data rw - ext4 /dev/a rw
            32 31 0:22 / /data/in\\040box rw - tmpfs none rw
            33 31 0:23 / /database rw - tmpfs none rw
            broken
            """
        #expect(
            MountPoints.below(Array("/data".utf8), in: Array(mountinfo.utf8)) == [Array("32 /data/in box".utf8)])
        #expect(MountPoints.below(Array("/".utf8), in: Array(mountinfo.utf8)).count == 3)
    }

    // MARK: What waits

    @Test func aLaterEventTakesThePlaceOfAnEarlierOneAboutThePath() throws {
        let (a, b, d) = (try RelativePath.of("a"), try RelativePath.of("b"), try RelativePath.of("d"))
        var backlog = FolderEventBacklog()
        for event: FolderEvent in [
            .modeChanged(.events), .appeared(a), .appeared(b), .closedAfterWriting(a), .directoryGone(d), .deleted(a),
            .mustRescan(.overflow), .mustRescan(.mountsChanged), .modeChanged(.polling(.trouble("x"))),
        ] { backlog.append(event) }
        #expect(backlog.count == 6)
        #expect(backlog.take(atMost: 2) == [.modeChanged(.polling(.trouble("x"))), .closedAfterWriting(a)])
        backlog.append(.appeared(a))
        backlog.append(.modeChanged(.events))
        #expect(
            backlog.take(atMost: 10) == [
                .appeared(b), .directoryGone(d), .appeared(a), .mustRescan(.overflow), .modeChanged(.events),
            ])
        #expect(backlog.isEmpty)
    }

    @Test func beyondItsBoundEverythingGivesWayToOneScan() throws {
        var backlog = FolderEventBacklog(mostEvents: 10, mostBytes: 1000)
        backlog.append(.modeChanged(.events))
        for number in 0..<500 { backlog.append(.appeared(try .of("f\(number)"))) }
        #expect(backlog.count == 2)
        #expect(backlog.take(atMost: 9) == [.modeChanged(.events), .mustRescan(.listenerBehind)])
        backlog.append(.appeared(try .of("later")))
        #expect(backlog.take(atMost: 9) == [.appeared(try .of("later"))])

        backlog.append(.appeared(try .of(String(repeating: "x", count: 900))))
        backlog.append(.directoryMoved(from: try .of("a"), to: try .of(String(repeating: "y", count: 100))))
        #expect(backlog.take(atMost: 9) == [.mustRescan(.listenerBehind)])
    }

    /// Taking in parts, whatever the parts, gives the last event of every path.
    @Test func nothingIsLostHoweverItIsTaken() throws {
        var random = SeededRandom()
        print("seed \(random.seed)")
        var backlog = FolderEventBacklog()
        var last: [RelativePath: FolderEvent] = [:]
        var heard: [RelativePath: FolderEvent] = [:]
        func hear(_ events: [FolderEvent]) {
            for event in events {
                switch event {
                case .appeared(let path), .deleted(let path): heard[path] = event
                case .closedAfterWriting, .movedIn, .movedAway, .directoryGone, .directoryMoved, .mustRescan,
                    .modeChanged, .folderGone:
                    break
                }
            }
        }
        for _ in 0..<20_000 {
            let path = try RelativePath.of("f\(Int.random(in: 0..<3000, using: &random))")
            let event: FolderEvent = Bool.random(using: &random) ? .appeared(path) : .deleted(path)
            last[path] = event
            backlog.append(event)
            if random.next() % 100 == 0 { backlog.append(.directoryGone(path)) }
            if random.next() % 50 == 0 { hear(backlog.take(atMost: Int.random(in: 1...80, using: &random))) }
        }
        while !backlog.isEmpty { hear(backlog.take(atMost: 700)) }
        #expect(heard == last)
    }

    @Test func nobodyListeningCostsABoundedAmount() async throws {
        let queue = FolderEventQueue(backlog: FolderEventBacklog(mostEvents: 100))
        for number in 0..<10_000 { queue.post(.appeared(try .of("f\(number)"))) }
        #expect(queue.count <= 101)
        queue.finish()
        let watch = FolderWatch(events: queue) {
            FolderWatchStatus(mode: .events, watched: 0, unwatched: 0)
        } stop: {
        }
        #expect(await watch.nextBatch() == [.mustRescan(.listenerBehind)])
        #expect(await watch.nextBatch() == nil)
    }
}
