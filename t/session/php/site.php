<?php
// site.php - a PHP site that counts each visitor's clicks with PHP's own sessions; where those lie is for the ini settings to say.
//
// usage: php -S ADDRESS -d session.save_handler=... -d session.save_path=... site.php

session_start();
header('Content-Type: text/plain');

function greet(): void
{
    echo isset($_SESSION['name']) ? "{$_SESSION['name']} {$_SESSION['clicks']}" : 'nobody';
}

switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/login':
        session_regenerate_id(true);
        $_SESSION['name'] = $_GET['name'];
        $_SESSION['clicks'] = 0;
        greet();
        break;
    case '/view':
        greet();
        break;
    case '/click':
        if (isset($_SESSION['name'])) {
            $_SESSION['clicks'] += 1;
        }
        greet();
        break;
    case '/logout':
        session_destroy();
        echo 'bye';
        break;
    default:
        http_response_code(404);
}
