from handshaker_signaling.main import main

main()
