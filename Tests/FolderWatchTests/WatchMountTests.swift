import Glibc
import SyncCore
import SystemPackage
import Testing

@testable import FolderWatch

/// Mounts need root, and a mount namespace in which nobody else is disturbed (`unshare -m`): REDIVIS_SYNC_MOUNT_TESTS
/// says that this is one.
@Suite(
    "Watching what is mounted and unmounted", .serialized, .timeLimit(.minutes(1)),
    .enabled(if: geteuid() == 0 && getenv("REDIVIS_SYNC_MOUNT_TESTS") != nil, "needs root and a mount namespace"))
struct WatchMountTests {
    private func mount(_ source: String, _ target: String, _ kind: String?, bind: Bool = false) throws {
        try check("mount", Glibc.mount(source, target, kind, bind ? UInt(MS_BIND) : 0, nil))
    }

    private func end(of watched: Watched) async throws -> FolderDeparture? {
        let told = try await watched.told { $0.contains { $0.departure != nil } }
        return told.compactMap(\.departure).last
    }

    @Test func anUnmountedFolderIsGoneAndItsFilesAreNotCalledDeleted() async throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("disk")
        try mount("none", folder.name("disk"), "tmpfs")
        try folder.write("disk/a/x.csv")
        let watched = try await Watched.over(folder, at: folder.path.appending("disk"))
        try check("umount", umount(folder.name("disk")))
        let told = try await watched.told { $0.contains { $0.departure != nil } }
        let departure = try #require(told.compactMap(\.departure).last)
        // Which of the two is heard first is the kernel's choice.
        #expect(departure == .unmounted || departure == .replaced)
        #expect(told == [.modeChanged(.events), .folderGone(departure)])
        #expect(await watched.watch.nextBatch() == nil)
    }

    @Test func aBindMountGoesWithoutAWordAndIsNoticed() async throws {
        let folder = try TemporaryFolder()
        try folder.write("real/x.csv")
        try folder.makeFolder("seen")
        try mount(folder.name("real"), folder.name("seen"), nil, bind: true)
        let watched = try await Watched.over(folder, at: folder.path.appending("seen"))
        try check("umount", umount(folder.name("seen")))
        #expect(try await end(of: watched) == .replaced)
    }

    @Test func somethingMountedOverTheFolderIsNoticed() async throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("disk")
        let watched = try await Watched.over(folder, at: folder.path.appending("disk"))
        try mount("none", folder.name("disk"), "tmpfs")
        defer { umount(folder.name("disk")) }
        #expect(try await end(of: watched) == .replaced)
    }

    @Test func whatIsMountedBelowTheFolderIsWatchedAndAskedToBeScanned() async throws {
        let watched = try await Watched.filled { try $0.makeFolders("a/disk") }
        try await watched.told()
        try mount("none", watched.folder.name("a/disk"), "tmpfs")
        var told = try await watched.told { $0.contains(.mustRescan(.mountsChanged)) }
        try watched.folder.write("a/disk/b/x.csv")
        told = try await watched.told()
        #expect(told.contains { $0.hint?.description == "a/disk/b/x.csv" })
        try check("umount", umount(watched.folder.name("a/disk")))
        told = try await watched.told { $0.contains(.mustRescan(.mountsChanged)) }
        // Nothing that was on the disk is called gone.
        #expect(told.allSatisfy { $0 == .mustRescan(.mountsChanged) })
        try watched.folder.write("a/disk/y.csv")
        told = try await watched.told()
        #expect(told.contains(.closedAfterWriting(try .of("a/disk/y.csv"))))
        #expect(watched.watch.status.watched == 3)
    }

    @Test func aFolderMountedWithinItselfComesToAnEnd() async throws {
        let folder = try TemporaryFolder()
        try folder.makeFolders("a/loop")
        try mount(folder.path.string, folder.name("a/loop"), nil, bind: true)
        defer { umount(folder.name("a/loop")) }
        let watched = try await Watched.over(folder)
        #expect(watched.watch.status.watched == 2)
        try await watched.told()
        try folder.write("a/x.csv")
        #expect(try await watched.told().contains(.closedAfterWriting(try .of("a/x.csv"))))
    }
}

extension FolderEvent {
    var departure: FolderDeparture? {
        if case .folderGone(let departure) = self { departure } else { nil }
    }
}
