import Glibc
import SyncCore
import SystemPackage
import Testing

@testable import FolderWatch
@testable import SyncSimulator

/// An inotify instance of a virtual process, without a watcher.
struct VirtualInotify {
    let process: VirtualProcess
    let system: InotifySystem
    let instance: Int32

    init(_ kernel: VirtualKernel) {
        process = kernel.makeProcess()
        system = process.system(readable: process.makeSignal(), lister: process.makeSignal()) { _ in }
        instance = system.makeInstance()
    }

    /// The watch descriptor, or a negative error number.
    @discardableResult
    func watch(_ path: String, _ mask: UInt32 = KernelEvent.folderMask) -> Int32 {
        let directory = process.openFolder(FilePath(path), for: .place)
        guard directory >= 0 else { return directory }
        defer { process.close(directory) }
        return system.addWatch(instance, directory, mask)
    }

    func events(atMost size: Int = 1 << 20) -> [KernelEvent] {
        var events: [KernelEvent] = []
        process.readEvents(instance, atMost: size).withUnsafeBytes { KernelEvent.forEach(in: $0) { events.append($0) } }
        return events
    }
}

@Suite("The virtual kernel's inotify")
struct KernelInotifyTests {
    private static let isDirectory = UInt32(IN_ISDIR)

    @Test func `the end of a directory is told to its own watch before its parent's`() {
        let kernel = KernelFixture().kernel
        kernel.makeDirectory("/d/e")
        let inotify = VirtualInotify(kernel)
        #expect(inotify.watch("/d") == 1)
        #expect(inotify.watch("/d/e") == 2)
        kernel.removeTree("/d/e")
        #expect(
            inotify.events() == [
                KernelEvent(watch: 2, mask: UInt32(IN_DELETE_SELF)), KernelEvent(watch: 2, mask: UInt32(IN_IGNORED)),
                KernelEvent(watch: 1, mask: UInt32(IN_DELETE) | Self.isDirectory, name: Array("e".utf8)),
            ])
    }

    @Test func `an exchange makes two pairs`() {
        let kernel = KernelFixture().kernel
        kernel.makeDirectory("/d")
        kernel.writeFile("/d/a", [])
        kernel.writeFile("/d/b", [])
        let inotify = VirtualInotify(kernel)
        inotify.watch("/d")
        #expect(kernel.exchange("/d/a", with: "/d/b") == 0)
        let events = inotify.events()
        #expect(events.map { String(decoding: $0.name, as: UTF8.self) } == ["a", "b", "b", "a"])
        #expect(
            events.map(\.mask) == [IN_MOVED_FROM, IN_MOVED_TO, IN_MOVED_FROM, IN_MOVED_TO].map { UInt32($0) })
        #expect(events[0].cookie == events[1].cookie)
        #expect(events[2].cookie == events[3].cookie)
        #expect(events[0].cookie != events[2].cookie)
    }

    @Test func `equal events that follow one another are merged`() {
        let kernel = KernelFixture().kernel
        kernel.writeFile("/a", [])
        let inotify = VirtualInotify(kernel)
        inotify.watch("/")
        for _ in 0..<3 { kernel.appendFile("/a", [1]) }
        #expect(inotify.events().count == 1)
        kernel.appendFile("/a", [1])
        kernel.writeFile("/b", [])
        kernel.appendFile("/a", [1])
        #expect(inotify.events().map(\.mask) == [8, 0x100, 8, 8])
    }

    @Test func `beyond its limit the queue says once that something was lost`() {
        let fixture = KernelFixture(VirtualKernel.Options(queueLimit: 4))
        let inotify = VirtualInotify(fixture.kernel)
        inotify.watch("/")
        for number in 0..<5 { fixture.kernel.writeFile("/\(number)", []) }
        let events = inotify.events(atMost: 32 * 4)
        #expect(events.map { String(decoding: $0.name, as: UTF8.self) } == ["0", "0", "1", "1"])
        fixture.kernel.writeFile("/x", [])
        #expect(inotify.events().map(\.mask) == [UInt32(IN_Q_OVERFLOW), UInt32(IN_CREATE), UInt32(IN_CLOSE_WRITE)])
        fixture.kernel.writeFile("/y", [])
        #expect(inotify.events().count == 2)
    }

    @Test func `watches are limited, and one inode has one of each instance`() {
        let kernel = KernelFixture(VirtualKernel.Options(watchLimit: 2)).kernel
        for name in ["a", "b", "c"] { kernel.makeDirectory("/\(name)") }
        let inotify = VirtualInotify(kernel)
        #expect(inotify.watch("/a") == 1)
        #expect(inotify.watch("/b") == 2)
        #expect(inotify.watch("/c") == -ENOSPC)
        kernel.rename("/a", to: "/d")
        #expect(inotify.watch("/d") == 1)
        #expect(inotify.system.removeWatch(inotify.instance, 1) == 0)
        #expect(inotify.system.removeWatch(inotify.instance, 1) == -EINVAL)
        #expect(inotify.watch("/c") == 3)
    }

    @Test func `an unmounted file system ends its watches when nobody uses it any more`() throws {
        let kernel = KernelFixture().kernel
        kernel.makeDirectory("/m")
        kernel.mount(kernel.makeDevice(number: 8), at: "/m")
        kernel.makeDirectory("/m/d")
        kernel.writeFile("/m/a", [])
        let inotify = VirtualInotify(kernel)
        inotify.watch("/m")
        inotify.watch("/m/d", KernelEvent.directoryMask)
        let writer = try #require(kernel.openWriter("/m/a", truncates: false).writer)
        #expect(kernel.unmount("/m", isLazy: true) == 0)
        #expect(inotify.events().isEmpty)
        writer.close()
        #expect(
            inotify.events().map { [UInt32(bitPattern: $0.watch), $0.mask] } == [
                [1, UInt32(IN_CLOSE_WRITE)], [1, UInt32(IN_UNMOUNT)], [1, UInt32(IN_IGNORED)], [2, UInt32(IN_UNMOUNT)],
                [2, UInt32(IN_IGNORED)],
            ])
        kernel.makeDirectory("/m/new")
        #expect(inotify.events().isEmpty)
    }

    @Test func `a killed process has no watches left`() {
        let kernel = KernelFixture().kernel
        let inotify = VirtualInotify(kernel)
        inotify.watch("/")
        inotify.process.kill()
        kernel.writeFile("/a", [])
        #expect(kernel.watchCount == 0)
        #expect(inotify.events().isEmpty)
    }
}
