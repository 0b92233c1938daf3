import Glibc
import SyncCore
import SystemPackage
import Testing

@testable import FolderWatch

@Suite("What a watched folder tells", .timeLimit(.minutes(1)))
struct WatchEventTests {
    private func path(_ text: String) throws -> RelativePath { try .of(text) }

    @Test func theFirstEventIsTheMode() async throws {
        let watched = try await Watched.over()
        #expect(await watched.watch.nextBatch() == [.modeChanged(.events)])
        #expect(watched.watch.status == FolderWatchStatus(mode: .events, watched: 1, unwatched: 0))
    }

    @Test func aWrittenFileIsToldWhenItIsClosed() async throws {
        let watched = try await Watched.over()
        try watched.folder.write("a.csv")
        let told = try await watched.told()
        #expect(told.contains(.closedAfterWriting(try path("a.csv"))))
        let statistics = watched.watcher.statistics()
        #expect(statistics.eventsRead >= 2)
        #expect(statistics.lastEvent == FixedClock.moment)
        #expect(statistics.watches == 1)
        #expect((statistics.limit?.value ?? 0) > 0)
        #expect(statistics.overflows == 0)
    }

    @Test func aFileThatIsOnlyReadIsNotTold() async throws {
        let watched = try await Watched.filled { try $0.write("a.csv") }
        try await watched.told()
        close(try check("open", open(watched.folder.name("a.csv"), O_RDONLY)))
        let told = try await watched.told()
        #expect(told == [])
    }

    @Test func renamesInsideAndFromOutsideAreTold() async throws {
        let watched = try await Watched.filled { try $0.write("a.csv") }
        let outside = try TemporaryFolder()
        try outside.write("b.csv")
        try await watched.told()
        try watched.folder.move("a.csv", "c.csv")
        try check("rename", rename(outside.name("b.csv"), watched.folder.name("d.csv")))
        try check("rename", rename(watched.folder.name("c.csv"), outside.name("c.csv")))
        let told = try await watched.told()
        // Where nobody took it in between, the last event of a path stands in the place of the first.
        #expect(
            Set(told).subtracting([.movedIn(try path("c.csv"))]) == [
                .movedAway(try path("a.csv")), .movedIn(try path("d.csv")), .movedAway(try path("c.csv")),
            ])
    }

    @Test func deletionsAreTold() async throws {
        let watched = try await Watched.filled {
            try $0.write("a.csv")
            try $0.write("b/c.csv")
        }
        try await watched.told()
        try watched.folder.remove("a.csv")
        try watched.folder.remove("b/c.csv")
        try watched.folder.removeFolder("b")
        #expect(
            try await watched.told() == [
                .deleted(try path("a.csv")), .deleted(try path("b/c.csv")), .directoryGone(try path("b")),
            ])
        #expect(watched.watch.status.watched == 1)
    }

    @Test func aHardLinkIsToldThoughNobodyClosesIt() async throws {
        let watched = try await Watched.filled { try $0.write("a.csv") }
        try await watched.told()
        try check("link", link(watched.folder.name("a.csv"), watched.folder.name("b.csv")))
        #expect(try await watched.told() == [.appeared(try path("b.csv"))])
    }

    @Test func aFileWithoutANameIsToldWhenItGetsOne() async throws {
        let watched = try await Watched.over()
        try await watched.told()
        let temporary = open(watched.folder.path.string, O_WRONLY | 0o20200000, 0o644)  // O_TMPFILE
        guard temporary >= 0 else { return }
        defer { close(temporary) }
        try check(
            "linkat",
            linkat(AT_FDCWD, "/proc/self/fd/\(temporary)", AT_FDCWD, watched.folder.name("a.csv"), AT_SYMLINK_FOLLOW))
        #expect(try await watched.told().contains(.appeared(try path("a.csv"))))
    }

    @Test func namesAreBytes() async throws {
        let watched = try await Watched.over()
        let name: [UInt8] = [0xFF, 0x0A, 0x20, 0xC3]
        try watched.folder.create(name + [0x2F] + name)
        let file = try RelativePath.of(name + [0x2F] + name)
        #expect(try await watched.told().contains { $0.hint == file })
    }

    @Test func aTreeMadeAtOnceIsToldWhole() async throws {
        let watched = try await Watched.over()
        for number in 0..<200 { try watched.folder.write("n\(number)/a/b/c/x.csv") }
        let hints = Set(try await watched.told().compactMap(\.hint))
        for number in 0..<200 { #expect(hints.contains(try path("n\(number)/a/b/c/x.csv"))) }
        #expect(watched.watch.status.watched == 801)
    }

    @Test func aTreeMovedInIsToldWholeAndWatched() async throws {
        let watched = try await Watched.over()
        let outside = try TemporaryFolder()
        for number in 0..<50 { try outside.write("tree/d\(number)/a/x.csv") }
        try await watched.told()
        try check("rename", rename(outside.name("tree"), watched.folder.name("tree")))
        let hints = Set(try await watched.told().compactMap(\.hint))
        for number in 0..<50 { #expect(hints.contains(try path("tree/d\(number)/a/x.csv"))) }
        try watched.folder.write("tree/d7/a/later.csv")
        #expect(try await watched.told().contains(.closedAfterWriting(try path("tree/d7/a/later.csv"))))
    }

    @Test func aDirectoryMovedInsideIsToldUnderItsNewPath() async throws {
        let watched = try await Watched.filled { try $0.write("a/b/c/x.csv") }
        try watched.folder.makeFolder("z")
        try await watched.told()
        try watched.folder.move("a/b", "z/moved")
        let told = try await watched.told()
        #expect(told.contains(.directoryMoved(from: try path("a/b"), to: try path("z/moved"))))
        #expect(told.contains(.appeared(try path("z/moved/c/x.csv"))))
        try watched.folder.write("z/moved/c/y.csv")
        try watched.folder.write("a/b/new.csv")
        let later = try await watched.told()
        #expect(later.contains(.closedAfterWriting(try path("z/moved/c/y.csv"))))
        #expect(later.compactMap(\.hint).contains(try path("a/b/new.csv")))
        #expect(watched.watch.status.watched == 6)
    }

    /// Only one half of such a rename is told, and it must not undo what a visit of the new directory finds.
    @Test func aDirectoryMovedIntoOneThatIsNotWatchedYetIsWatchedThere() async throws {
        let watched = try await Watched.filled { for number in 0..<100 { try $0.makeFolders("a\(number)/deep") } }
        for number in 0..<100 {
            try watched.folder.makeFolder("new\(number)")
            try watched.folder.move("a\(number)", "new\(number)/b")
        }
        try await watched.told()
        for number in 0..<100 { try watched.folder.write("new\(number)/b/deep/x.csv") }
        let hints = Set(try await watched.told().compactMap(\.hint))
        for number in 0..<100 { #expect(hints.contains(try path("new\(number)/b/deep/x.csv"))) }
        #expect(watched.watch.status.watched == 301)
    }

    @Test func aDirectoryThatTakesTheNameOfAnotherIsNotMistakenForIt() async throws {
        let watched = try await Watched.filled {
            try $0.write("a/x.csv")
            try $0.makeFolder("b")
        }
        try await watched.told()
        try watched.folder.move("a", "b")  // Replaces the empty `b` without a word about it.
        try watched.folder.write("a/n.csv")
        try watched.folder.move("b", "c")
        try watched.folder.move("a", "b")
        try watched.folder.move("c", "a")
        try await watched.told()
        try watched.folder.write("a/1.csv")
        try watched.folder.write("b/2.csv")
        let hints = try await watched.told().compactMap(\.hint)
        #expect(Set(hints) == [try path("a/1.csv"), try path("b/2.csv")])
        #expect(watched.watch.status.watched == 3)
    }

    @Test func aDirectoryMovedOutIsNotWatchedAnyMore() async throws {
        let watched = try await Watched.filled { for number in 0..<20 { try $0.write("a/d\(number)/x.csv") } }
        let outside = try TemporaryFolder()
        try await watched.told()
        #expect(watched.watch.status.watched == 22)
        try check("rename", rename(watched.folder.name("a"), outside.name("a")))
        #expect(try await watched.told() == [.directoryGone(try path("a"))])
        try outside.write("a/d3/y.csv")
        #expect(try await watched.told() == [])
        #expect(watched.watch.status.watched == 1)
        #expect(watched.watcher.statistics().watches == 1)
    }

    @Test func whatIsLeftOutIsNotWatched() async throws {
        let watched = try await Watched.filled(skips: { $0.name.first == UInt8(ascii: "_") }) {
            try $0.write("_old/x.csv")
            try $0.write("kept/_no/x.csv")
        }
        #expect(watched.watch.status.watched == 2)
        try await watched.told()
        try watched.folder.write("_old/y.csv")
        try watched.folder.write("_new/y.csv")
        try watched.folder.write("kept/y.csv")
        try watched.folder.move("kept", "_kept")
        try watched.folder.write("_kept/z.csv")
        let hints = try await watched.told().compactMap(\.hint)
        #expect(hints.contains(try path("kept/y.csv")))
        #expect(
            hints.allSatisfy { $0.components.first?.first != UInt8(ascii: "_") || $0 == (try? path("_kept/z.csv")) })
        #expect(watched.watch.status.watched == 1)
    }

    @Test func withoutRecursionOnlyTheFolderItselfIsWatched() async throws {
        let watched = try await Watched.filled(recursive: false) { try $0.write("a/x.csv") }
        try await watched.told()
        try watched.folder.write("a/y.csv")
        try watched.folder.write("b/z.csv")
        try watched.folder.write("c.csv")
        #expect(Set(try await watched.told().compactMap(\.hint)) == [try path("c.csv")])
        #expect(watched.watch.status.watched == 1)
    }

    @Test func linksAreNotFollowed() async throws {
        let outside = try TemporaryFolder()
        try outside.write("x.csv")
        let watched = try await Watched.filled {
            try $0.link(outside.path.string, as: "out")
            try $0.link(".", as: "self")
        }
        try watched.folder.link(outside.path.string, as: "out2")
        try await watched.told()
        try outside.write("y.csv")
        #expect(try await watched.told() == [])
        #expect(watched.watch.status.watched == 1)
    }

    @Test func foldersWithinOneAnotherAreBothTold() async throws {
        let outer = try await Watched.filled { try $0.makeFolders("a/b") }
        let inner = try await outer.watcher.watch(
            outer.folder.path.appending("a"), recursive: true, skipsDirectory: { _ in false })
        #expect(outer.watcher.statistics().watches == 3)
        try outer.folder.write("a/b/x.csv")
        #expect(try await outer.told().contains(.closedAfterWriting(try path("a/b/x.csv"))))
        #expect(await inner.nextBatch()?.contains(.closedAfterWriting(try path("b/x.csv"))) == true)
        inner.stop()
        try outer.folder.write("a/b/y.csv")
        #expect(try await outer.told().contains(.closedAfterWriting(try path("a/b/y.csv"))))
        #expect(outer.watcher.statistics().watches == 3)
    }

    @Test func theFolderItselfGoes() async throws {
        let parent = try TemporaryFolder()
        for (name, departure) in [("deleted", FolderDeparture.deleted), ("moved", .moved)] {
            try parent.makeFolder(name)
            let watched = try await Watched.over(parent, at: parent.path.appending(name))
            if departure == .deleted { try parent.removeFolder(name) } else { try parent.move(name, "elsewhere") }
            let told = try await within(seconds: 30, "the end") {
                var told: [FolderEvent] = []
                for await event in watched.watch { told.append(event) }
                return told
            }
            // A look at the new watch may find the folder gone before the kernel's word of it is read.
            #expect(
                [departure, .missing].contains { told == [.modeChanged(.events), .folderGone($0)] }, "\(told)")
            #expect(watched.watch.status.watched == 0)
        }
    }

    @Test func aFolderThatIsNotThereIsAFailure() async throws {
        let watcher = try InotifyFolderWatcher(clock: FixedClock())
        let failure = await #expect(throws: Failure.self) {
            _ = try await watcher.watch("/nonexistent/folder", recursive: true, skipsDirectory: { _ in false })
        }
        #expect(failure?.kind == .sourceGone)
        await watcher.stop()
    }

    @Test func stoppingEndsTheEventsAndGivesEverythingBack() async throws {
        let watched = try await Watched.filled { for number in 0..<300 { try $0.write("d\(number)/x.csv") } }
        let clock = ContinuousClock()
        let took = await clock.measure { await watched.watcher.stop() }
        #expect(took < .seconds(10))  // 100 ms on a quiet machine.
        var told: [FolderEvent] = []
        for await event in watched.watch { told.append(event) }
        #expect(told == [.modeChanged(.events)])
        #expect(watched.watcher.center.state.withLock { $0.instance } == -1)
    }

    @Test func listeningEndsWhenTheTaskIsCancelled() async throws {
        let watched = try await Watched.over()
        try await watched.told()
        let listening = Task { await watched.watch.nextBatch() }
        listening.cancel()
        #expect(await listening.value == nil)
        try watched.folder.write("a.csv")
        #expect(try await watched.told().contains(.closedAfterWriting(try path("a.csv"))))
    }
}
